// Threads of the system that run blocks together with the caller.
#pragma once

#include <functional>

namespace pn::emu {

void set_workers(int count);

// Runs `work` on the caller and on every worker at once; returns when all are done.
void run_on_workers(const std::function<void()>& work);

}  // namespace pn::emu
