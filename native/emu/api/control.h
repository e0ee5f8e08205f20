// What tests ask of the emulator beyond the driver's own entry
// points. All functions may be called at any time between calls.
#pragma once

#include <stddef.h>
#include <stdint.h>

#if !defined(PN_API)
#define PN_API extern "C"
#endif

// What went wrong last, in words; empty when nothing did since
// pncuda_emu_clear_report. Returns its length without the zero.
PN_API size_t pncuda_emu_report(char* text, size_t bytes);
PN_API void pncuda_emu_clear_report(void);

// "forward", "reverse", "random" or "skewed"; 0 when the name is another.
PN_API int pncuda_emu_set_schedule(const char* name, uint64_t seed);
PN_API void pncuda_emu_set_memory_limit(size_t bytes);
PN_API void pncuda_emu_set_workers(int count);

// Makes the k-th call from now on fail with `code` (counted from 1; 0 takes it
// back); `name`, when not null, counts calls of that entry point alone. Codes 700
// and 719 lose the device: all later calls fail until the last context is released.
PN_API void pncuda_emu_fail(uint64_t k, const char* name, int code);

// Calls and kernel launches since the library was loaded.
PN_API uint64_t pncuda_emu_calls(void);
PN_API uint64_t pncuda_emu_launches(void);

// What is allocated now: "memory", "bytes", "host", "modules", "functions", "streams", "events", "graphs",
// "executables", "products" (what cuBLASLt made).
PN_API uint64_t pncuda_emu_live(const char* what);
