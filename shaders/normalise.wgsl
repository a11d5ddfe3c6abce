// y = clamp((x - mean) / sqrt(variance + epsilon), -bound, bound) for x [rows, columns] with the running statistics
// of moments.wgsl: [3, columns] = count, mean, sum of squared deviations. Where nothing was seen, y = clamp(x).
// Rows are counted from `from_row` of x and `to_row` of y on. A column that never varied has no scale: it gives x - mean.
// With every > 1, row r of y is one of the rows r * every to (r + 1) * every - 1 of x, drawn by a hash of r: a fixed
// stride would meet the same environments again and again.

struct Shape {
  length: u32, columns: u32, rows: u32, every: u32, epsilon: f32, bound: f32, from_row: u32, to_row: u32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> statistics: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

// a 32-bit integer hash with good avalanche (constants: Ellis' "lowbias32")
fn hash(value: u32) -> u32 {
  var x = value;
  x = (x ^ (x >> 16u)) * 0x7feb352du;
  x = (x ^ (x >> 15u)) * 0x846ca68bu;
  return x ^ (x >> 16u);
}

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var i = id.x; i < shape.length; i += groups.x * 256u) {
    let column = i % shape.columns;
    let count = statistics[column];
    let mean = statistics[shape.columns + column];
    let variance = statistics[2u * shape.columns + column] / max(count, 1.0);
    let scale = select(1.0, inverseSqrt(variance + shape.epsilon), variance > shape.epsilon);
    let row = i / shape.columns;
    let source = shape.from_row * shape.columns + min(shape.rows - 1u, row * shape.every + hash(row) % shape.every) * shape.columns + column;
    y[shape.to_row * shape.columns + i] = clamp((x[source] - mean) * scale, -shape.bound, shape.bound);
  }
}
