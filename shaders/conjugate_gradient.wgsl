// Conjugate gradient for F x = g (Hestenes & Stiefel 1952), F = the damped Fisher matrix of a policy. The diagonal
// gets `damping` where it belongs to a log standard deviation s, whose information is 2, and damping times the mean
// of exp(-2 s), the information of an action's mean, where it belongs to the network. So one value suits a policy of
// any spread: the network's block grows as its actions narrow, and a constant would soon count for nothing. The
// iterations have a fixed number and no read-back; their scalars are in one array:
//   scalars[residual_at + i] = r.r before iteration i,  scalars[curvature_at] = p.F p of the latest,
//   scalars[damping_at] = what the network's diagonal gets
//   scalars[done_at] = 1 once there is nothing left to do: r.r <= tolerance times its first value, or p.F p <= 0 or
//   not a number, which exact arithmetic rules out
// A sum over the vectors is left as one partial a workgroup by one kernel and finished by every workgroup of the next.
//   BEGIN      x = 0, r = g; partials of r.r
//   PRODUCT    z = F p: sum of the slices of J^T M J p, 2 p for the log standard deviations; + the damping; partials of p.z
//   ADVANCE    a = r.r / p.z; x += a p, r -= a z; partials of r.r
//   DIRECTION  b = r.r / its value before; p = r + b p. FIRST: p = r

struct Shape {
  length: u32,  // of the vectors
  network: u32,  // of them, the network's parameters; the rest are log standard deviations
  slices: u32, partials: u32, iteration: u32,
  residual_at: u32, curvature_at: u32, done_at: u32, damping_at: u32,
  damping: f32, tolerance: f32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
#if ${BEGIN}
@group(0) @binding(1) var<storage, read> gradient: array<f32>;
@group(0) @binding(2) var<storage, read_write> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> r: array<f32>;
@group(0) @binding(4) var<storage, read_write> squares: array<f32>;
@group(0) @binding(5) var<storage, read> parameters: array<f32>;
@group(0) @binding(6) var<storage, read_write> scalars: array<f32>;
#elif ${PRODUCT}
@group(0) @binding(1) var<storage, read> product: array<f32>;  // [slices, network]
@group(0) @binding(2) var<storage, read> p: array<f32>;
@group(0) @binding(3) var<storage, read_write> z: array<f32>;
@group(0) @binding(4) var<storage, read_write> curvatures: array<f32>;
@group(0) @binding(5) var<storage, read> scalars: array<f32>;
#elif ${ADVANCE}
@group(0) @binding(1) var<storage, read> p: array<f32>;
@group(0) @binding(2) var<storage, read> z: array<f32>;
@group(0) @binding(3) var<storage, read> curvatures: array<f32>;
@group(0) @binding(4) var<storage, read_write> x: array<f32>;
@group(0) @binding(5) var<storage, read_write> r: array<f32>;
@group(0) @binding(6) var<storage, read_write> squares: array<f32>;
@group(0) @binding(7) var<storage, read_write> scalars: array<f32>;
#else
@group(0) @binding(1) var<storage, read> r: array<f32>;
@group(0) @binding(2) var<storage, read> squares: array<f32>;
@group(0) @binding(3) var<storage, read_write> p: array<f32>;
@group(0) @binding(4) var<storage, read_write> scalars: array<f32>;
#endif

alias Share = f32;
#include total

#if ${READS_SCALARS}
// NaN is done too
fn done(residual: f32) -> bool {
  return !(residual > shape.tolerance * scalars[shape.residual_at]);
}
#endif

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) index: u32,
  @builtin(num_workgroups) groups: vec3u,
) {
  let first = group.x * 256u + index;
  let stride = groups.x * 256u;
  var share = 0.0;
#if ${BEGIN}
  for (var i = first; i < shape.length; i += stride) {
    let g = gradient[i];
    x[i] = 0.0;
    r[i] = g;
    share = fma(g, g, share);
  }
  let sum = total(share, index);
  if (index == 0u) { squares[group.x] = sum; }
  if (index == 0u && group.x == 0u) {
    var information = 0.0;
    for (var i = shape.network; i < shape.length; i++) { information += exp(-2.0 * parameters[i]); }
    scalars[shape.damping_at] = shape.damping * information / f32(shape.length - shape.network);
  }
#elif ${PRODUCT}
  let network_damping = scalars[shape.damping_at];
  for (var i = first; i < shape.length; i += stride) {
    var y = (2.0 + shape.damping) * p[i];
    if (i < shape.network) {
      y = network_damping * p[i];
      for (var s = 0u; s < shape.slices; s++) { y += product[s * shape.network + i]; }
    }
    z[i] = y;
    share = fma(p[i], y, share);
  }
  let sum = total(share, index);
  if (index == 0u) { curvatures[group.x] = sum; }
#elif ${ADVANCE}
  if (index < shape.partials) { share = curvatures[index]; }
  let curvature = total(share, index);
  let residual = scalars[shape.residual_at + shape.iteration];
  let step = select(0.0, residual / curvature, curvature > 0.0 && !done(residual));
  share = 0.0;
  for (var i = first; i < shape.length; i += stride) {
    x[i] = fma(step, p[i], x[i]);
    let left = fma(-step, z[i], r[i]);
    r[i] = left;
    share = fma(left, left, share);
  }
  let sum = total(share, index);
  if (index == 0u) {
    squares[group.x] = sum;
    if (group.x == 0u) { scalars[shape.curvature_at] = curvature; }
  }
#else
  if (index < shape.partials) { share = squares[index]; }
  let residual = total(share, index);
#if ${FIRST}
  let ratio = 0.0;
  let over = !(residual > 0.0);
  if (group.x == 0u && index == 0u) {
    scalars[shape.residual_at] = residual;
    scalars[shape.done_at] = select(0.0, 1.0, over);
  }
  for (var i = first; i < shape.length; i += stride) { p[i] = r[i]; }
#else
  let before = scalars[shape.residual_at + shape.iteration];
  let broken = !(scalars[shape.curvature_at] > 0.0);
  let over = done(before) || broken || done(residual);
  if (group.x == 0u && index == 0u) {
    // a broken iteration leaves 0, so that all later ones are done
    scalars[shape.residual_at + shape.iteration + 1u] = select(residual, 0.0, broken);
    if (over) { scalars[shape.done_at] = 1.0; }
  }
  if (over) { return; }
  for (var i = first; i < shape.length; i += stride) { p[i] = fma(residual / before, p[i], r[i]); }
#endif
#endif
}
