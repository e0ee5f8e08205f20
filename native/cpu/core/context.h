// What one backend instance owns.
#pragma once

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
    std::string description;

    // How many threads are worth waking for so many elementary steps (multiplications, elements).
    int workers(double steps, double steps_per_worker = 32768) const {
        const double wanted = steps / steps_per_worker;
        return wanted >= pool.size() ? pool.size() : wanted < 1 ? 1 : static_cast<int>(wanted);
    }
};
