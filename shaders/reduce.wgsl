// Two-stage reductions in a fixed order, so that a result repeats to the bit on one adapter (WGSL has no float atomics
// anyway). Each of at most 256 workgroups sums a strided share into one partial result; a second dispatch with
// FINAL reduces the partials. A thread adds at most length / (256 * groups) numbers, then trees: the error stays
// near that of pairwise summation.
//   OP   sum: x | dot: x y | max: max(x)
//   FINAL scales the result by `scale` (a mean), or takes the root of it (a norm), and stores it at `target_at`

struct Shape { length: u32, target_at: u32, scale: f32 }

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> x: array<f32>;
#if ${DOT}
@group(0) @binding(2) var<storage, read> y: array<f32>;
@group(0) @binding(3) var<storage, read_write> result: array<f32>;
#else
@group(0) @binding(2) var<storage, read_write> result: array<f32>;
#endif

var<workgroup> shares: array<f32, 256>;

fn combine(p: f32, q: f32) -> f32 {
#if ${MAX}
  return max(p, q);
#else
  return p + q;
#endif
}

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) index: u32,
  @builtin(num_workgroups) groups: vec3u,
) {
#if ${MAX}
  var share = -3.4028234e38;
#else
  var share = 0.0;
#endif
  for (var i = group.x * 256u + index; i < shape.length; i += groups.x * 256u) {
#if ${DOT}
    share = combine(share, x[i] * y[i]);
#else
    share = combine(share, x[i]);
#endif
  }
  shares[index] = share;
  for (var half = 128u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (index < half) { shares[index] = combine(shares[index], shares[index + half]); }
  }
  if (index == 0u) {
#if ${FINAL}
#if ${ROOT}
    result[shape.target_at] = sqrt(shares[0]);
#else
    result[shape.target_at] = shares[0] * shape.scale;
#endif
#else
    result[group.x] = shares[0];
#endif
  }
}
