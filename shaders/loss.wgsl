// Mean squared error over rows x columns, E = 1/n sum (y - t)^2, and its gradient dE/dy = 2/n (y - t). Errors d beyond the
// bound b count linearly, 2 b |d| - b^2, so that a few cannot claim the network (Huber 1964).
// GRADIENT: at most 256 workgroups, each leaving one partial sum of squares. Otherwise: one workgroup adds the partials
// in order, stores the mean at losses[steps taken mod capacity], and counts the step.

struct Shape { length: u32, capacity: u32, partials: u32, bound: f32 }

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read_write> partials: array<f32>;
#if ${GRADIENT}
@group(0) @binding(2) var<storage, read> predictions: array<f32>;
@group(0) @binding(3) var<storage, read> targets: array<f32>;
@group(0) @binding(4) var<storage, read_write> gradient: array<f32>;
#else
@group(0) @binding(2) var<storage, read_write> progress: array<u32>;  // [0]: steps taken
@group(0) @binding(3) var<storage, read_write> losses: array<f32>;
#endif

alias Share = f32;
#include total

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) index: u32,
  @builtin(num_workgroups) groups: vec3u,
) {
  var share = 0.0;
#if ${GRADIENT}
  for (var i = group.x * 256u + index; i < shape.length; i += groups.x * 256u) {
    let d = predictions[i] - targets[i];
    let held = clamp(d, -shape.bound, shape.bound);
    gradient[i] = 2.0 / f32(shape.length) * held;
    share = fma(held, 2.0 * d - held, share);
  }
#else
  if (index < shape.partials) { share = partials[index]; }
#endif
  let sum = total(share, index);
  if (index == 0u) {
#if ${GRADIENT}
    partials[group.x] = sum;
#else
    losses[progress[0] % shape.capacity] = sum / f32(shape.length);
    progress[0] += 1u;
#endif
  }
}
