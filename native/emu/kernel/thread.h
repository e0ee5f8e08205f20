// What a running kernel sees of its place and of the emulator: the thread of the grid it is, and the calls that block.
#pragma once

#include "emu/kernel/site.h"
#include "emu/kernel/vectors.h"

#include <cstddef>
#include <cstdint>

namespace pn::emu {

constexpr int lanes_of_warp = 32;

struct Surroundings {
    uint3 block{};
    dim3 block_size, grid_size;
};

struct Place {
    uint3 thread{};
    const Surroundings* in = nullptr;
};

// The kernel's thread that runs now on this thread of the system; set at every switch.
extern thread_local const Place* current __attribute__((tls_model("initial-exec")));

// Waits for all threads of the block; the result is the number of them that passed `true`.
int block_barrier(bool predicate, Site site);

// One array in the block's shared memory, the same for every
// thread that names the same key; starts as NaN in every block.
void* static_shared(const void* key, std::size_t bytes, const char* name);
void* dynamic_shared();

// Lanes that wait for one another at a collective. The last one to arrive gets `true` and must read all inputs, write
// all outputs and then call warp_leave; the others get `false` after that.
struct Meeting {
    const void* in[lanes_of_warp];
    void* out[lanes_of_warp];
};
Meeting* warp_meet(unsigned mask, Site site, const void* in, void* out, bool orders_memory);
void warp_leave(unsigned mask, bool orders_memory);
int lane_of_thread();

// cp.async: requests are kept and carried out by the wait; until then the destination holds NaN.
void copy_request(void* to_shared, const void* from, int bytes, Site site);
void copy_commit();
void copy_wait(int pending, Site site);

[[noreturn]] void kernel_failed(const char* what, Site site);

}  // namespace pn::emu

#define threadIdx (::pn::emu::current->thread)
#define blockIdx (::pn::emu::current->in->block)
#define blockDim (::pn::emu::current->in->block_size)
#define gridDim (::pn::emu::current->in->grid_size)
