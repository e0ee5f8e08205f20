#include "emu/run/fault.h"

#include "emu/run/block.h"
#include "emu/run/memory.h"

#include <csignal>
#include <cstdint>
#include <ucontext.h>

namespace pn::emu {

namespace {

constexpr std::size_t stack_bytes = 64 * 1024;
constexpr int signals[] = {SIGSEGV, SIGBUS, SIGFPE};
struct sigaction earlier[std::size(signals)];

#if defined(PN_EMU_ASAN)
constexpr bool sanitizer_reports = true;  // and prints more than we could
#else
constexpr bool sanitizer_reports = false;
#endif

thread_local int fault_signal;
thread_local const void* fault_address;

// Runs on the fiber that made the fault, in place of what it did.
[[noreturn]] void give_up() {
    Block& block = *Block::running();
    if (fault_signal == SIGFPE) block.fail("an integer division by zero", {});
    block.fail(DeviceMemory::get().describe(fault_address), {});
}

void on_fault(int signal, siginfo_t* info, void* context) {
    Block* const block = Block::running();
    if (block == nullptr) {
        for (std::size_t i = 0; i < std::size(signals); i++)
            if (signals[i] == signal) {
                const struct sigaction& next = earlier[i];
                if ((next.sa_flags & SA_SIGINFO) != 0) return next.sa_sigaction(signal, info, context);
                if (next.sa_handler != SIG_DFL && next.sa_handler != SIG_IGN) return next.sa_handler(signal);
                sigaction(signal, &next, nullptr);  // comes again and ends the process
            }
        return;
    }
    fault_signal = signal;
    fault_address = info->si_addr;
    // The fiber's frames are lost anyway, so its stack is used from the top.
    const Fiber& fiber = block->fiber();
    const std::uintptr_t top = (reinterpret_cast<std::uintptr_t>(fiber.stack) + fiber.bytes) & ~std::uintptr_t{15};
    auto& machine = static_cast<ucontext_t*>(context)->uc_mcontext;
#if defined(__x86_64__)
    machine.gregs[REG_RSP] = static_cast<greg_t>(top - 8);
    machine.gregs[REG_RIP] = reinterpret_cast<greg_t>(give_up);
#else
    machine.sp = top;
    machine.pc = reinterpret_cast<std::uintptr_t>(give_up);
#endif
}

}  // namespace

void handle_faults() {
    static bool done = sanitizer_reports;
    if (done) return;
    done = true;
    for (std::size_t i = 0; i < std::size(signals); i++) {
        struct sigaction action = {};
        action.sa_sigaction = on_fault;
        action.sa_flags = SA_SIGINFO | SA_ONSTACK;
        sigaction(signals[i], &action, &earlier[i]);
    }
}

FaultStack::FaultStack() {
    stack_t stack = {};
    sigaltstack(nullptr, &stack);
    if ((stack.ss_flags & SS_DISABLE) == 0) return;
    memory_ = std::make_unique<char[]>(stack_bytes);
    stack.ss_sp = memory_.get();
    stack.ss_size = stack_bytes;
    stack.ss_flags = 0;
    sigaltstack(&stack, nullptr);
}

FaultStack::~FaultStack() {
    if (!memory_) return;
    stack_t off = {};
    off.ss_flags = SS_DISABLE;
    sigaltstack(&off, nullptr);
}

}  // namespace pn::emu
