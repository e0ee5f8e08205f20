// Stacks that kernels' threads run on, and the switch between them: some 30 ns, no system call.
#pragma once

#include <cstddef>

namespace pn::emu {

struct Fiber {
    void* stack_pointer = nullptr;
    char* stack = nullptr;  // lowest byte; null for the stack of the system's thread
    std::size_t bytes = 0;
    void* tsan = nullptr;
    void* asan = nullptr;
};

// A stack with a guard page below it. `main` runs on it at the first switch and never returns.
void fiber_create(Fiber& fiber, int index, void (*main)());

// Makes the next switch to `fiber` start anew, whatever it was doing.
void fiber_restart(Fiber& fiber, void (*main)());

// Fills in what sanitizers need to know of the stack that runs now.
void fiber_adopt_current(Fiber& fiber);
void fiber_destroy(Fiber& fiber);

void fiber_switch(Fiber& from, Fiber& to);

// To be called first of all on a fiber that has just been started.
void fiber_started();

}  // namespace pn::emu
