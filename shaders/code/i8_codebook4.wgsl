// Integer weights as 4-bit indices into at most sixteen values of each column. Blocks of four k × four columns, two words each: sixteen
// bits a column, the first k lowest. A column's values are sixteen bytes, which stay in registers: four words, of which the index picks one
// by selects and then a byte, since a lookup in memory would be one more load a weight.
@group(0) @binding(3) var<storage, read> codes: array<vec2<u32>>;   // [group][k/4][n/4]
@group(0) @binding(5) var<storage, read> tables: array<vec4<u32>>;  // [group][n]

// Values of a run's last word (of a pixel's, where pixels form one run) that have a weight: what follows them in memory means nothing.
override KEPT: u32 = 4u;

struct Tables {
  c0: vec4<u32>,
  c1: vec4<u32>,
  c2: vec4<u32>,
  c3: vec4<u32>,
};

// Of four neighbouring columns.
fn tables_of(column4: u32) -> Tables {
  let at = column4 * 4u;
  return Tables(tables[at], tables[at + 1u], tables[at + 2u], tables[at + 3u]);
}

// Four weights of one column.
fn values_of(table: vec4<u32>, indices: u32) -> vec4<i32> {
  let i = vec4<u32>(indices) >> vec4<u32>(0u, 4u, 8u, 12u);
  let is_odd = (i & vec4<u32>(4u)) != vec4<u32>(0u);
  let low = select(vec4<u32>(table.x), vec4<u32>(table.y), is_odd);
  let high = select(vec4<u32>(table.z), vec4<u32>(table.w), is_odd);
  let word = select(low, high, (i & vec4<u32>(8u)) != vec4<u32>(0u));
  return vec4<i32>(word << ((~i & vec4<u32>(3u)) * 8u)) >> vec4<u32>(24u);
}

fn has_weight(j4: u32) -> vec4<bool> {
  if (KEPT == 4u) {
    return vec4<bool>(true);
  }
  let words = select(params.run4, u32(params.pixel), params.pixel > 0);
  return vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(select(4u, KEPT, j4 % words == words - 1u));
}

fn weights_of(table: vec4<u32>, indices: u32, j4: u32) -> vec4<i32> {
  return select(vec4<i32>(0), values_of(table, indices), has_weight(j4));
}

// Lane j: four weights of column j as bytes.
fn load_words(at: u32, t: Tables, j4: u32) -> vec4<u32> {
  let block = codes[at];
  return vec4<u32>(
    pack(weights_of(t.c0, block.x, j4)),
    pack(weights_of(t.c1, block.x >> 16u, j4)),
    pack(weights_of(t.c2, block.y, j4)),
    pack(weights_of(t.c3, block.y >> 16u, j4)),
  );
}
