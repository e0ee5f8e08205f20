// Faults of kernels: an access outside of any allocation hits a guard page, becomes a report and ends the launch.
// Faults of anyone else go to whoever handled them before.
#pragma once

#include <memory>

namespace pn::emu {

void handle_faults();  // once for the process; later calls do nothing

// A stack of its own for the handler of this thread, unless it has one: it may be called because a stack is full.
class FaultStack {
public:
    FaultStack();
    ~FaultStack();
    FaultStack(const FaultStack&) = delete;
    FaultStack& operator=(const FaultStack&) = delete;

private:
    std::unique_ptr<char[]> memory_;
};

}  // namespace pn::emu
