// A card of which each thread is a coroutine.  Threads take turns; one waits at a barrier until all of its block (or of
// its warp) have come there.  What is checked, with a sentence as the result of `run`:
// - every thread comes to the same barriers, in the same lines;
// - no thread reads or writes outside of memory: each piece of it ends where a page begins that cannot be touched, and
//   what nobody wrote is not a number.
// The order of the turns and of the blocks can be chosen: results that depend on it are a race.
#include <csetjmp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ucontext.h>
#include <vector>
#include <sys/mman.h>
#include <unistd.h>
struct xyz { int x, y; };
xyz threadIdx, blockIdx;
double* memory_of_block;

static const long long STACK = 1 << 18, PAGE = sysconf(_SC_PAGESIZE);
struct Thread {
    jmp_buf here;
    char* stack;
    bool is_done, has_begun;
    int index, line;
};
static std::vector<Thread> threads;
static Thread* current;
static jmp_buf scheduler;
static sigjmp_buf outside;
static void (*body)(void*);
static void* arguments;
static char fault[200];
static bool progress;
static unsigned order;                                       // 0: ascending, 1: descending, others: a seed
struct Barrier { long long arrived; int line; };
static Barrier of_block, of_warp[64];
static double lanes[64][2][32];
static long long exchanges[64][32];

extern "C" void set_order(unsigned given) { order = given; }

// --- Memory: it ends where a page begins that cannot be touched ---

static long long room(long long n_bytes) { return (n_bytes + PAGE - 1) / PAGE * PAGE; }
extern "C" char* allocate(long long n_bytes) {
    const long long size = room(n_bytes);
    char* memory = (char*)mmap(nullptr, size + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return nullptr;
    mprotect(memory + size, PAGE, PROT_NONE);
    memset(memory, 0xff, size);
    return memory + size - n_bytes;
}
extern "C" bool is_intact(const char* memory, long long n_bytes) {   // before its beginning
    for (long long i = 1; i <= room(n_bytes) - n_bytes; i++) if (memory[-i] != '\xff') return false;
    return true;
}
extern "C" void release(char* memory, long long n_bytes) {
    munmap(memory + n_bytes - room(n_bytes), room(n_bytes) + PAGE);
}

// --- Threads ---

static void fail(const char* what, int line) {
    snprintf(fault, sizeof fault, "%s (thread %d of block %d, %d; line %d)", what, current->index, blockIdx.x, blockIdx.y, line);
    _longjmp(scheduler, 1);
}
static void give_turn() {
    if (!_setjmp(current->here)) _longjmp(scheduler, 1);
}
static void wait_at(Barrier& barrier, long long n, int line) {
    const long long generation = barrier.arrived / n;
    if (barrier.arrived % n == 0) barrier.line = line;
    if (barrier.line != line) fail("threads wait at different barriers", line);
    barrier.arrived++;
    progress = true;
    while (barrier.arrived / n == generation) give_turn();
}
void barrier_of_block(int line) { current->line = line; wait_at(of_block, threads.size(), line); }
void barrier_of_warp(int line) { current->line = line; wait_at(of_warp[current->index / 32], 32, line); }
double exchanged(double value, int mask, int line) {
    const int w = current->index / 32, l = current->index % 32, turn = exchanges[w][l]++ % 2;
    lanes[w][turn][l] = value;
    barrier_of_warp(line);
    return lanes[w][turn][l ^ mask];
}
static void begin() {
    body(arguments);
    current->is_done = progress = true;
    _longjmp(scheduler, 1);
}
static __attribute__((noinline)) void resume(Thread& thread) {
    current = &thread;
    threadIdx = {thread.index, 0};
    if (_setjmp(scheduler)) return;
    if (thread.has_begun) _longjmp(thread.here, 1);
    thread.has_begun = progress = true;
    ucontext_t context;
    getcontext(&context);
    context.uc_stack.ss_sp = thread.stack;
    context.uc_stack.ss_size = STACK;
    context.uc_link = nullptr;
    makecontext(&context, begin, 0);
    setcontext(&context);
}
static unsigned drawn(unsigned& seed, unsigned below) { return (seed = seed * 1664525u + 1013904223u) / 65536 % below; }
static void sort(std::vector<int>& turns, unsigned& seed) {
    const int n = turns.size();
    for (int i = 0; i < n; i++) turns[i] = order == 1 ? n - 1 - i : i;
    if (order > 1) for (int i = n - 1; i > 0; i--) std::swap(turns[i], turns[drawn(seed, i + 1)]);
}
static void run_block(std::vector<int>& turns, unsigned& seed) {
    for (Thread& thread : threads) thread.is_done = thread.has_begun = false;
    of_block = {0, 0};
    for (Barrier& barrier : of_warp) barrier = {0, 0};
    memset(exchanges, 0, sizeof exchanges);
    for (bool any = true; any && !*fault;) {
        any = progress = false;
        sort(turns, seed);
        for (int i : turns) {
            if (threads[i].is_done || *fault) continue;
            any = true;
            resume(threads[i]);
        }
        if (any && !progress && !*fault) {
            for (Thread& thread : threads) if (!thread.is_done) current = &thread;
            snprintf(fault, sizeof fault, "thread %d waits for others that ended (line %d)", current->index, current->line);
        }
    }
}
static void touched(int, siginfo_t* found, void*) {
    snprintf(fault, sizeof fault, "thread %d of block %d, %d reads or writes outside of memory, at %p", current->index,
             blockIdx.x, blockIdx.y, found->si_addr);
    siglongjmp(outside, 1);
}
extern "C" const char* run(int nx, int ny, int n_threads, int n_bytes, void* own_memory, long long n_shared,
                           void (*given)(void*), void* with) {
    static std::vector<char*> stacks;
    static std::vector<char> of_handler(1 << 16);
    body = given;
    arguments = with;
    *fault = 0;
    if (n_threads % 32 || n_threads > 1024) return "threads are no whole number of warps, or too many";
    while ((int)stacks.size() < n_threads) stacks.push_back(new char[STACK]);
    threads.resize(n_threads);
    for (int i = 0; i < n_threads; i++) { threads[i].index = i; threads[i].stack = stacks[i]; }
    char* memory = allocate(n_bytes);
    stack_t other = {}, old_stack;
    other.ss_sp = of_handler.data();
    other.ss_size = of_handler.size();
    struct sigaction action = {}, old;
    action.sa_sigaction = touched;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    sigaltstack(&other, &old_stack);
    sigaction(SIGSEGV, &action, &old);
    unsigned seed = order;
    std::vector<int> turns(n_threads), blocks(nx * ny);
    sort(blocks, seed);
    if (!sigsetjmp(outside, 1)) {
        for (int block : blocks) {
            memset(memory, 0xff, n_bytes);
            memset(own_memory, 0xff, n_shared);
            memory_of_block = (double*)memory;
            blockIdx = {block % nx, block / nx};
            run_block(turns, seed);
            if (*fault) break;
        }
    }
    if (!*fault && !is_intact(memory, n_bytes)) snprintf(fault, sizeof fault, "shared memory was written before its beginning");
    sigaction(SIGSEGV, &old, nullptr);
    sigaltstack(&old_stack, nullptr);
    release(memory, n_bytes);
    return fault;
}
