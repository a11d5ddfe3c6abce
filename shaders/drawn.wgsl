// One row of each `every`: of the rows r * every to (r + 1) * every - 1 the one that a hash of r draws. A fixed stride would
// meet the same environments again and again.

// a 32-bit integer hash with good avalanche (constants: Ellis' "lowbias32")
fn hash(value: u32) -> u32 {
  var x = value;
  x = (x ^ (x >> 16u)) * 0x7feb352du;
  x = (x ^ (x >> 15u)) * 0x846ca68bu;
  return x ^ (x >> 16u);
}

fn drawn(r: u32, every: u32, rows: u32) -> u32 {
  return min(rows - 1u, r * every + hash(r) % every);
}
