// A card of which each thread is a coroutine: the CUDA source itself is compiled by g++ and run, all of it but the launch.
// Threads of a block take turns; a barrier is reached when all of its threads (or of the warp) wait for it.
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <vector>
#include <ucontext.h>
#define EMULATED
#define __device__
#define __global__
#define __constant__ static
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __shared__ static
#define __restrict__
using std::fma;
struct xyz { int x, y; };
static xyz threadIdx, blockIdx;
static const int STACK = 1 << 18;

struct Thread {
    ucontext_t context;
    std::unique_ptr<char[]> stack{new char[STACK]};
    bool is_done = false;
    int index = 0;
    long long waits = 0;                                     // barriers of the block it has reached
    long long warp_waits = 0;
};
static std::vector<std::unique_ptr<Thread>> threads;
static ucontext_t scheduler;
static Thread* current;
static std::function<void()> body;
static double lanes[64][32];
static double* memory_of_block;

static void yield_turn() { swapcontext(&current->context, &scheduler); }
static void wait_for(int first, int last, long long Thread::* waits) {
    const long long mine = ++(current->*waits);
    for (;;) {
        bool all = true;
        for (int i = first; i < last; i++) all = all && (threads[i]->is_done || threads[i].get()->*waits >= mine);
        if (all) return;
        yield_turn();
    }
}
static void __syncthreads() { wait_for(0, threads.size(), &Thread::waits); }
static void __syncwarp() {
    const int first = current->index / 32 * 32;
    wait_for(first, first + 32, &Thread::warp_waits);
}
static double __shfl_xor_sync(unsigned, double v, int mask) {
    const int w = current->index / 32, l = current->index & 31;
    __syncwarp();
    lanes[w][l] = v;
    __syncwarp();
    return lanes[w][l ^ mask];
}
static int __double2hiint(double x) { long long b; memcpy(&b, &x, 8); return int(b >> 32); }
static int __double2loint(double x) { long long b; memcpy(&b, &x, 8); return int(b); }
static double __hiloint2double(int h, int l) {
    long long b = (long long)((unsigned long long)(unsigned)h << 32 | (unsigned)l);
    double x;
    memcpy(&x, &b, 8);
    return x;
}
static int __float_as_int(float x) { int b; memcpy(&b, &x, 4); return b; }
static float __int_as_float(int b) { float x; memcpy(&x, &b, 4); return x; }
static double about_reciprocal(double a) { return (1.0 + 1e-6) / a; }
static double about_inverse_root(double a) { return (1.0 - 1e-6) / std::sqrt(a); }

static void run_thread() {
    body();
    current->is_done = true;
    swapcontext(&current->context, &scheduler);
}
template <class F> void launch(int nx, int ny, int n_threads, int n_bytes, F f) {
    body = f;
    while ((int)threads.size() < n_threads) threads.push_back(std::make_unique<Thread>());
    threads.resize(n_threads);
    for (int y = 0; y < ny; y++) for (int x = 0; x < nx; x++) {
        std::vector<double> memory(n_bytes / 8 + 1, NAN);    // what nobody wrote is not a number
        memory_of_block = memory.data();
        for (int i = 0; i < n_threads; i++) {
            Thread& t = *threads[i];
            getcontext(&t.context);
            t.context.uc_stack.ss_sp = t.stack.get();
            t.context.uc_stack.ss_size = STACK;
            t.context.uc_link = &scheduler;
            t.is_done = false;
            t.index = i;
            t.waits = t.warp_waits = 0;
            makecontext(&t.context, run_thread, 0);
        }
        for (bool any = true; any;) {
            any = false;
            for (int i = 0; i < n_threads; i++) {
                if (threads[i]->is_done) continue;
                any = true;
                current = threads[i].get();
                threadIdx = {i, 0};
                blockIdx = {x, y};
                swapcontext(&scheduler, &current->context);
            }
        }
    }
}
