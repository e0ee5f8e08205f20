// What one backend instance owns.
#pragma once

#include <string>

#include "core/thread_pool.h"
#include "core/workspace.h"
#include "peftnative.h"

namespace pn {

struct Kernels;

// A frozen weight [rows, columns] as column panels of `panel_width` columns, [panel][row][panel_width], the last one filled up with zeros.
// One copy serves both directions: the forward product broadcasts from its rows, the backward product reads them as vectors.
struct PackedWeight {
    float* data;
    int rows;
    int columns;
};

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

struct pn_prepared {
    pn_type type;
    pn::PackedWeight weight;
    int64_t bytes;
};
