// One thread an output unit, counted over a grid that folds into y where x would exceed a device's limit.
override WG: u32 = 64u;

fn flat_index(workgroup: vec3<u32>, workgroups: vec3<u32>, local: u32) -> u32 {
  return (workgroup.y * workgroups.x + workgroup.x) * WG + local;
}
