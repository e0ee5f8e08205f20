#include "emu/run/fiber.h"

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <sys/mman.h>

#if defined(PN_EMU_ASAN)
#include <pthread.h>
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(PN_EMU_TSAN)
#include <sanitizer/tsan_interface.h>
#endif

#if defined(__x86_64__)
asm(R"(
.text
.globl pn_emu_switch
.hidden pn_emu_switch
.type pn_emu_switch, @function
pn_emu_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
.size pn_emu_switch, . - pn_emu_switch
)");
#elif defined(__aarch64__)
asm(R"(
.text
.globl pn_emu_switch
.hidden pn_emu_switch
.type pn_emu_switch, %function
pn_emu_switch:
    sub sp, sp, #160
    stp x19, x20, [sp, #0]
    stp x21, x22, [sp, #16]
    stp x23, x24, [sp, #32]
    stp x25, x26, [sp, #48]
    stp x27, x28, [sp, #64]
    stp x29, x30, [sp, #80]
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    mov x9, sp
    str x9, [x0]
    mov sp, x1
    ldp x19, x20, [sp, #0]
    ldp x21, x22, [sp, #16]
    ldp x23, x24, [sp, #32]
    ldp x25, x26, [sp, #48]
    ldp x27, x28, [sp, #64]
    ldp x29, x30, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    add sp, sp, #160
    ret
.size pn_emu_switch, . - pn_emu_switch
)");
#else
#error "the emulated driver knows how to switch stacks on x86-64 and AArch64 only"
#endif

extern "C" void pn_emu_switch(void** save, void* load);

namespace pn::emu {

namespace {

#if defined(PN_EMU_ASAN) || defined(PN_EMU_TSAN)
constexpr std::size_t stack_bytes = 256 * 1024;  // instrumented frames are large
#else
constexpr std::size_t stack_bytes = 64 * 1024;
#endif
constexpr std::size_t page = 4096;

#if defined(PN_EMU_ASAN)
#endif

}  // namespace

void fiber_create(Fiber& fiber, int index, void (*main)()) {
    void* memory =
        mmap(nullptr, stack_bytes + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    mprotect(memory, page, PROT_NONE);
    fiber.stack = static_cast<char*>(memory) + page;
    // The tops of the stacks lie at different offsets within a page: they would share few sets of the cache otherwise.
    fiber.bytes = stack_bytes - static_cast<std::size_t>(index % 16) * 192;
#if defined(PN_EMU_TSAN)
    fiber.tsan = __tsan_create_fiber(0);
#endif
    fiber_restart(fiber, main);
}

void fiber_restart(Fiber& fiber, void (*main)()) {
#if defined(PN_EMU_ASAN)
    __asan_unpoison_memory_region(fiber.stack, fiber.bytes);
    fiber.asan = nullptr;
#endif
    auto** top =
        reinterpret_cast<void**>((reinterpret_cast<std::uintptr_t>(fiber.stack) + fiber.bytes) & ~std::uintptr_t{15});
#if defined(__x86_64__)
    top -= 8;  // six registers, the address that `ret` goes to, and a return address of null: aligned as after a call
    std::memset(top, 0, 8 * sizeof(void*));
    top[6] = reinterpret_cast<void*>(main);
#else
    top -= 20;
    std::memset(top, 0, 20 * sizeof(void*));
    top[11] = reinterpret_cast<void*>(main);
#endif
    fiber.stack_pointer = top;
}

void fiber_adopt_current([[maybe_unused]] Fiber& fiber) {
#if defined(PN_EMU_ASAN)
    pthread_attr_t attributes;
    void* stack = nullptr;
    pthread_getattr_np(pthread_self(), &attributes);
    pthread_attr_getstack(&attributes, &stack, &fiber.bytes);
    pthread_attr_destroy(&attributes);
    fiber.stack = static_cast<char*>(stack);
#endif
#if defined(PN_EMU_TSAN)
    fiber.tsan = __tsan_get_current_fiber();
#endif
}

void fiber_destroy(Fiber& fiber) {
#if defined(PN_EMU_TSAN)
    __tsan_destroy_fiber(fiber.tsan);
#endif
    munmap(fiber.stack - page, stack_bytes + page);
    fiber = {};
}

void fiber_started() {
#if defined(PN_EMU_ASAN)
    __sanitizer_finish_switch_fiber(nullptr, nullptr, nullptr);
#endif
}

void fiber_switch(Fiber& from, Fiber& to) {
#if defined(PN_EMU_ASAN)
    __sanitizer_start_switch_fiber(&from.asan, to.stack, to.bytes);
#endif
#if defined(PN_EMU_TSAN)
    __tsan_switch_to_fiber(to.tsan, 1 /* no order of memory comes with it */);
#endif
    pn_emu_switch(&from.stack_pointer, to.stack_pointer);
#if defined(PN_EMU_ASAN)
    __sanitizer_finish_switch_fiber(from.asan, nullptr, nullptr);
#endif
}

}  // namespace pn::emu
