// As any_copy_strided for bytes: one output word a thread, its bytes gathered; a word that the box covers only in part keeps its other
// bytes. Each byte can pass through a table of 256 (another quantization grid).
// #include common/flat.wgsl
// #include common/strides.wgsl
// #include common/bytes.wgsl
struct Params {
  count: u32,
  rank: u32,        // outer dimensions, without the last
  in_base: i32,     // bytes
  out_base: i32,    // words: the word that holds the box's first column
  words: u32,       // words of one output row that the box touches
  lead: u32,        // bytes of the first word before the box
  length: u32,      // bytes of one row of the box
  in_step: i32,     // bytes between neighbours along the last axis
  use_table: u32,
  pad0: u32,
  pad1: u32,
  pad2: u32,
  sizes: Dims,
  in_steps: Steps,  // bytes
  out_steps: Steps, // words
};
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> out: array<u32>;
@group(0) @binding(2) var<storage, read> x: array<u32>;
@group(0) @binding(3) var<storage, read> table: array<u32>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = flat_index(wid, nwg, local);
  if (i >= params.count) {
    return;
  }
  let word = i % params.words;
  var rest = i / params.words;
  var source = params.in_base;
  var target_at = params.out_base + i32(word);
  for (var d = i32(params.rank) - 1; d >= 0; d--) {
    let size = params.sizes[d / 4][d % 4];
    let next = rest / size;
    let at = i32(rest - next * size);
    rest = next;
    source += at * params.in_steps[d / 4][d % 4];
    target_at += at * params.out_steps[d / 4][d % 4];
  }
  var bytes = unpack(out[u32(target_at)]);
  for (var lane = 0u; lane < 4u; lane++) {
    let column = i32(word * 4u + lane) - i32(params.lead);
    if (column >= 0 && column < i32(params.length)) {
      let at = u32(source + column * params.in_step);
      var v = byte_of(x[at / 4u], at % 4u);
      if (params.use_table != 0u) {
        let entry = u32(v) & 255u;
        v = byte_of(table[entry / 4u], entry % 4u);
      }
      bytes[lane] = v;
    }
  }
  out[u32(target_at)] = pack(bytes);
}
