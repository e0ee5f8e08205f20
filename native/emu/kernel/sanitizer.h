// What kernels compiled with ThreadSanitizer must tell it; nothing otherwise.
#pragma once

#if defined(__SANITIZE_THREAD__)
extern "C" {
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
void AnnotateIgnoreWritesBegin(const char* file, int line);
void AnnotateIgnoreWritesEnd(const char* file, int line);
void __tsan_read_range(void* address, unsigned long size);
}
#endif

namespace pn::emu {

// The exchange between lanes of a collective is the emulator's doing, no race of the kernel.
struct IgnoreRaces {
#if defined(__SANITIZE_THREAD__)
    IgnoreRaces() {
        AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
        AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
    }
    ~IgnoreRaces() {
        AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
        AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
    }
    IgnoreRaces(const IgnoreRaces&) = delete;
    IgnoreRaces& operator=(const IgnoreRaces&) = delete;
#else
    IgnoreRaces() {}
#endif
};

// A read that the emulator does on behalf of this thread.
inline void touch([[maybe_unused]] const void* p, [[maybe_unused]] unsigned long bytes) {
#if defined(__SANITIZE_THREAD__)
    __tsan_read_range(const_cast<void*>(p), bytes);
#endif
}

}  // namespace pn::emu
