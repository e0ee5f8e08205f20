// What the runtime itself tells AddressSanitizer and ThreadSanitizer. It is never compiled with the latter: it switches
// stacks below that one's feet, and the threads it runs share an order only where their kernel makes one.
#pragma once

#include <cstddef>

#if defined(PN_EMU_ASAN)
#include <sanitizer/asan_interface.h>
#endif
#if defined(PN_EMU_TSAN)
#include <sanitizer/tsan_interface.h>
extern "C" {
void AnnotateIgnoreWritesBegin(const char* file, int line);
void AnnotateIgnoreWritesEnd(const char* file, int line);
void __tsan_write_range(void* address, unsigned long size);
}
#endif

namespace pn::emu {

inline void poison([[maybe_unused]] void* p, [[maybe_unused]] std::size_t bytes) {
#if defined(PN_EMU_ASAN)
    __asan_poison_memory_region(p, bytes);
#endif
}

inline void unpoison([[maybe_unused]] void* p, [[maybe_unused]] std::size_t bytes) {
#if defined(PN_EMU_ASAN)
    __asan_unpoison_memory_region(p, bytes);
#endif
}

// Everything before publish(p) in one thread comes before everything after observe(p) in another.
inline void publish([[maybe_unused]] void* p) {
#if defined(PN_EMU_TSAN)
    __tsan_release(p);
#endif
}

inline void observe([[maybe_unused]] void* p) {
#if defined(PN_EMU_TSAN)
    __tsan_acquire(p);
#endif
}

// A write that the emulator does on behalf of the thread that runs.
inline void note_write([[maybe_unused]] void* p, [[maybe_unused]] std::size_t bytes) {
#if defined(PN_EMU_TSAN)
    __tsan_write_range(p, bytes);
#endif
}

// Writes of the emulator's own that are no thread's.
struct QuietWrites {
#if defined(PN_EMU_TSAN)
    QuietWrites() { AnnotateIgnoreWritesBegin(__FILE__, __LINE__); }
    ~QuietWrites() { AnnotateIgnoreWritesEnd(__FILE__, __LINE__); }
    QuietWrites(const QuietWrites&) = delete;
    QuietWrites& operator=(const QuietWrites&) = delete;
#else
    QuietWrites() {}
#endif
};

}  // namespace pn::emu
