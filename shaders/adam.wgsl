// Adam with decoupled weight decay (Kingma & Ba 2015; Loshchilov & Hutter 2019) on a flat parameter vector:
//   m = b1 m + (1 - b1) g,  v = b2 v + (1 - b2) g^2
//   p -= rate (m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + epsilon) + decay p),  t = steps taken + 1
// The gradient comes in slices [slices, length] (matmul.wgsl), added here in order. The rate falls along half a
// cosine from `rate` to `last_rate` over `steps` steps; with steps = 0 it stays.

struct Shape {
  length: u32, slices: u32, steps: u32, rate: f32, last_rate: f32, beta1: f32, beta2: f32, epsilon: f32, decay: f32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> progress: array<u32>;  // [0]: steps taken
@group(0) @binding(2) var<storage, read> gradient: array<f32>;
@group(0) @binding(3) var<storage, read_write> parameters: array<f32>;
@group(0) @binding(4) var<storage, read_write> moments: array<f32>;  // [2, length]: m, v

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let t = f32(progress[0] + 1u);
  let correction1 = 1.0 - pow(shape.beta1, t);
  let correction2 = 1.0 - pow(shape.beta2, t);
  var rate = shape.rate;
  if (shape.steps > 0u) {
    let done = min(1.0, f32(progress[0]) / f32(shape.steps));
    rate = shape.last_rate + (rate - shape.last_rate) * 0.5 * (1.0 + cos(3.14159265 * done));
  }
  for (var i = id.x; i < shape.length; i += groups.x * 256u) {
    var g = 0.0;
    for (var s = 0u; s < shape.slices; s++) { g += gradient[s * shape.length + i]; }
    let m = fma(shape.beta1, moments[i], (1.0 - shape.beta1) * g);
    let v = fma(shape.beta2, moments[shape.length + i], (1.0 - shape.beta2) * g * g);
    moments[i] = m;
    moments[shape.length + i] = v;
    let step = m / correction1 / (sqrt(v / correction2) + shape.epsilon);
    parameters[i] -= rate * (step + shape.decay * parameters[i]);
  }
}
