// The sum over a workgroup of 256 threads of one `Share` each, the same in every thread, in a fixed order; a shader that
// includes this says what a Share is. Sixteen numbers a thread, then sixteen again: a tree by halves would wait eight
// times, and on a software renderer waiting costs more than the additions.
var<workgroup> shares: array<Share, 256>;
var<workgroup> sums: array<Share, 16>;

fn total(share: Share, index: u32) -> Share {
  shares[index] = share;
  workgroupBarrier();
  if (index < 16u) {
    var sum = Share();
    for (var i = 0u; i < 16u; i++) { sum += shares[16u * index + i]; }
    sums[index] = sum;
  }
  workgroupBarrier();
  var sum = Share();
  for (var i = 0u; i < 16u; i++) { sum += sums[i]; }
  return sum;
}
