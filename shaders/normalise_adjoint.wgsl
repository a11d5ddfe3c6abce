// Backwards through normalise.wgsl (with every = 1): adds to the cotangents of x those of y = clamp((x - mean) scale),
// times scale where nothing was clamped, and times factor. Rows of x and of its cotangents are counted from `from_row` on.

struct Shape { length: u32, columns: u32, epsilon: f32, bound: f32, from_row: u32, factor: f32 }

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> statistics: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read> cotangent_y: array<f32>;
@group(0) @binding(4) var<storage, read_write> cotangent_x: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var i = id.x; i < shape.length; i += groups.x * 256u) {
    let column = i % shape.columns;
    let mean = statistics[shape.columns + column];
    let variance = statistics[2u * shape.columns + column] / max(statistics[column], 1.0);
    let scale = select(1.0, inverseSqrt(variance + shape.epsilon), variance > shape.epsilon);
    let at = shape.from_row * shape.columns + i;
    let inside = abs((x[at] - mean) * scale) < shape.bound;
    cotangent_x[at] += select(0.0, shape.factor * scale * cotangent_y[i], inside);
  }
}
