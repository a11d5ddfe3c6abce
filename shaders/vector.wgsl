// Element by element, over the whole of y:
//   AXPY   y += alpha x
//   SCALE  y *= alpha
//   SUM    y = sum over slices s of x[s, i], in order of s: gathers what a sliced matrix product left apart
// alpha = shape.alpha, times scalars[shape.scalar_at] where SCALAR: a factor that an earlier kernel computed

struct Shape { length: u32, alpha: f32, slices: u32, scalar_at: u32, offset: u32 }

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
#if ${READS_X}
@group(0) @binding(2) var<storage, read> x: array<f32>;
#endif
#if ${SCALAR}
@group(0) @binding(3) var<storage, read> scalars: array<f32>;
#endif

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
#if ${SCALAR}
  let alpha = shape.alpha * scalars[shape.scalar_at];
#else
  let alpha = shape.alpha;
#endif
  for (var i = id.x; i < shape.length; i += groups.x * 256u) {
#if ${AXPY}
    y[i] = fma(alpha, x[i], y[i]);
#elif ${SCALE}
    y[i] *= alpha;
#else
    var sum = 0.0;
    for (var s = 0u; s < shape.slices; s++) { sum += x[shape.offset + s * shape.length + i]; }
    y[i] = alpha * sum;
#endif
  }
}
