// One launch of a kernel: what runs, with which arguments, on how many threads.
#pragma once

#include "emu/kernel/registry.h"
#include "emu/kernel/vectors.h"
#include "emu/run/schedule.h"

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

namespace pn::emu {

class Launch {
public:
    Launch(const Kernel& kernel, dim3 grid, dim3 block, std::size_t shared_bytes, void* const* arguments);

    const Kernel& kernel() const { return *kernel_; }
    dim3 grid() const { return grid_; }
    dim3 block() const { return block_; }
    std::size_t shared_bytes() const { return shared_bytes_; }
    std::uint64_t blocks() const { return std::uint64_t{grid_.x} * grid_.y * grid_.z; }
    int threads() const { return static_cast<int>(block_.x * block_.y * block_.z); }
    uint3 block_index(std::uint64_t i) const;

    // Calls the kernel's function as the current thread.
    void call() const;

private:
    const Kernel* kernel_;
    dim3 grid_, block_;
    std::size_t shared_bytes_;
    std::vector<unsigned char> values_;
    std::vector<std::size_t> offsets_;
};

// Runs all blocks; false when one failed, and then last_report() says how.
bool run(const Launch& launch, Schedule schedule);

// The names of all kernels in the program, and one by its name or null.
const Kernel* find_kernel(const char* name);
const Kernel* first_kernel();

}  // namespace pn::emu
