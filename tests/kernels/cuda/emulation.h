// What a module for a card needs of CUDA, for g++; `emulation.cpp` runs it.  Nothing is included: modules compile faster.
#define EMULATED
#define __device__
#define __global__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __restrict__
#define __shared__ static __attribute__((used, section("of_block")))
#define __constant__ static
#define NAN __builtin_nan("")
#define INFINITY __builtin_inf()
#define fma __builtin_fma
#define sqrtf __builtin_sqrtf
#define __syncthreads() barrier_of_block(__LINE__)
#define __syncwarp() barrier_of_warp(__LINE__)
#define __shfl_xor_sync(lanes, value, mask) exchanged(value, mask, __LINE__)
struct xyz { int x, y; };
extern xyz threadIdx, blockIdx;
extern double* memory_of_block;
void barrier_of_block(int line);
void barrier_of_warp(int line);
double exchanged(double value, int mask, int line);
extern "C" const char* run(int nx, int ny, int n_threads, int n_bytes, void* own_memory, long long n_shared, void (*body)(void*),
                           void* arguments);

static int __double2hiint(double x) { long long b; __builtin_memcpy(&b, &x, 8); return int(b >> 32); }
static int __double2loint(double x) { long long b; __builtin_memcpy(&b, &x, 8); return int(b); }
static double __hiloint2double(int h, int l) {
    const long long b = (long long)((unsigned long long)(unsigned)h << 32 | (unsigned)l);
    double x;
    __builtin_memcpy(&x, &b, 8);
    return x;
}
static int __float_as_int(float x) { int b; __builtin_memcpy(&b, &x, 4); return b; }
static float __int_as_float(int b) { float x; __builtin_memcpy(&x, &b, 4); return x; }
static double about_reciprocal(double a) { return (1.0 + 9e-7) / a; }                    // 20 bits, as on a card
static double about_inverse_root(double a) { return (1.0 - 9e-7) / __builtin_sqrt(a); }
