#include "core/context.h"

#include "core/features.h"
#include "ops/table.h"

pn_context::pn_context(int threads, const char* instruction_set)
    : kernels(&pn::choose_kernels(instruction_set)), pool(threads > 0 ? threads : pn::processor_count()) {
    description = pn::processor_name() + ", " + kernels->name + ", " + std::to_string(pool.size()) +
                  (pool.size() == 1 ? " thread" : " threads");
}
