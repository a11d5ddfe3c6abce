// The step of a trust region update and its backtracking line search. scalars from `at` on:
//   [0] state: 0 searching, j + 1 once candidate j is taken, -1 if there is no step to search along
//   [1] step length  [2] gain that the gradient promises  [3] x.F x  [4] gain and [5] KL of the latest candidate
//   [6] max_kl, the owner's to write
//   SUM        partials of (x.g, x.r), r what conjugate gradient left of g
//   LENGTH     x.F x = x.(g - r); the step length is sqrt(2 max_kl / x.F x): by the quadratic model of the KL
//              divergence it is max_kl there
//   CANDIDATE  parameters = old + length backtrack^j x
//   DECIDE     takes the candidate if it gains and its KL divergence is at most max_kl
//   RESTORE    parameters = old, unless a candidate was taken

struct Shape {
  length: u32, rows: u32, partials: u32, at: u32, candidate: u32,
  scale: f32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
#if ${SUM}
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> gradient: array<f32>;
@group(0) @binding(3) var<storage, read> r: array<f32>;
@group(0) @binding(4) var<storage, read_write> partials: array<vec2f>;
#elif ${CANDIDATE}
@group(0) @binding(1) var<storage, read> scalars: array<f32>;
@group(0) @binding(2) var<storage, read> old: array<f32>;
@group(0) @binding(3) var<storage, read> x: array<f32>;
@group(0) @binding(4) var<storage, read_write> parameters: array<f32>;
#elif ${RESTORE}
@group(0) @binding(1) var<storage, read> scalars: array<f32>;
@group(0) @binding(2) var<storage, read> old: array<f32>;
@group(0) @binding(3) var<storage, read_write> parameters: array<f32>;
#else
@group(0) @binding(1) var<storage, read> partials: array<vec2f>;
@group(0) @binding(2) var<storage, read_write> scalars: array<f32>;
#endif

#if ${CANDIDATE}

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  if (scalars[shape.at] != 0.0) { return; }
  let step = shape.scale * scalars[shape.at + 1u];
  for (var i = id.x; i < shape.length; i += groups.x * 256u) {
    parameters[i] = fma(step, x[i], old[i]);
  }
}

#elif ${RESTORE}

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  if (scalars[shape.at] > 0.0) { return; }
  for (var i = id.x; i < shape.length; i += groups.x * 256u) { parameters[i] = old[i]; }
}

#else

alias Share = vec2f;
#include total

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) index: u32,
  @builtin(num_workgroups) groups: vec3u,
) {
  var share = vec2f(0.0);
#if ${SUM}
  for (var i = group.x * 256u + index; i < shape.length; i += groups.x * 256u) {
    share += x[i] * vec2f(gradient[i], r[i]);
  }
#else
  if (index < shape.partials) { share = partials[index]; }
#endif
  let sum = total(share, index);
  if (index != 0u) { return; }
#if ${SUM}
  partials[group.x] = sum;
#elif ${LENGTH}
  let gradient = sum.x;
  let curvature = gradient - sum.y;
  // NaN and infinity are no step either
  let usable = curvature > 0.0 && curvature < 3e38 && gradient > 0.0;
  let step = sqrt(2.0 * scalars[shape.at + 6u] / curvature);
  scalars[shape.at] = select(-1.0, 0.0, usable);
  scalars[shape.at + 1u] = select(0.0, step, usable);
  scalars[shape.at + 2u] = select(0.0, step * gradient, usable);
  scalars[shape.at + 3u] = curvature;
  scalars[shape.at + 4u] = 0.0;
  scalars[shape.at + 5u] = 0.0;
#else
  if (scalars[shape.at] != 0.0) { return; }
  let gain = sum.x / f32(shape.rows);
  let kl = sum.y / f32(shape.rows);
  scalars[shape.at + 4u] = gain;
  scalars[shape.at + 5u] = kl;
  // false for NaN
  if (gain > 0.0 && gain < 3e38 && kl <= scalars[shape.at + 6u]) { scalars[shape.at] = f32(shape.candidate + 1u); }
#endif
}

#endif
