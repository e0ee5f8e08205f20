#include "core/context.h"

#include <algorithm>

#include "core/features.h"
#include "core/kernels.h"

namespace {

// How far the cores of a pool are from each other, relative to neighbours: how much larger
// a share has to be. Counted twice, because a worker is told later and then also waits
// longer for every line it reads. With more threads than cores a round trip does not tell.
double distance_of(const pn::ThreadPool& pool) {
    constexpr double nearby = 150, farthest = 16;  // nanoseconds; times
    if (pool.size() > pn::processor_count()) return 1;
    const double relative = pool.round_trip() / nearby;
    return std::clamp(relative * relative, 1.0, farthest);
}

}  // namespace

pn_context::pn_context(int threads, const char* instruction_set)
    : kernels(&pn::choose_kernels(instruction_set)),
      pool(threads > 0 ? threads : pn::processor_count()),
      own(new pn::Workspace[pool.size()]),
      distance(distance_of(pool)) {
    description = pn::processor_name() + ", " + kernels->name + ", " + std::to_string(pool.size()) +
                  (pool.size() == 1 ? " thread" : " threads");
}

char** pn_context::own_bytes(int workers, std::size_t count) {
    auto** memory = static_cast<char**>(workspace.bytes(sizeof(char*) * static_cast<std::size_t>(workers)));
    for (int worker = 0; worker < workers; worker++) memory[worker] = static_cast<char*>(own[worker].bytes(count));
    return memory;
}

void pn_context::reset() {
    workspace.reset();
    for (int worker = 0; worker < pool.size(); worker++) own[worker].reset();
}
