// What one backend instance owns.
#pragma once

#include <memory>
#include <string>

#include "core/thread_pool.h"
#include "core/workspace.h"
#include "peftnative.h"

namespace pn {

struct Kernels;

}  // namespace pn

struct pn_context {
    pn_context(int threads, const char* instruction_set);

    const pn::Kernels* kernels;
    pn::ThreadPool pool;
    pn::Workspace workspace;
    const std::unique_ptr<pn::Workspace[]> own;  // each worker's
    std::string description;

    // So many bytes for each worker to write and read alone: lines that stay in its core's cache from one operation to
    // the next, as those of the common memory, which one writes now and another then, do not.
    char** own_bytes(int workers, std::size_t count);
    float** own_floats(int workers, std::ptrdiff_t count) {
        return reinterpret_cast<float**>(own_bytes(workers, sizeof(float) * static_cast<std::size_t>(count)));
    }

    // Gives all memory of an operation back.
    void reset();

    // How many threads are worth waking for so many elementary steps (multiplications, elements). Where cores are far
    // from each other, both waking and reading what the other has written take longer, and a share has to be larger.
    int workers(double steps, double steps_per_worker = 32768) const {
        const double wanted = steps / (steps_per_worker * distance);
        return wanted >= pool.size() ? pool.size() : wanted < 1 ? 1 : static_cast<int>(wanted);
    }

    static constexpr double from_memory = 8;  // steps that an element takes that comes from there

private:
    const double distance;  // of the cores, relative to neighbours
};
