#include "core/features.h"

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <thread>

#if defined(__linux__)
#include <sched.h>
#endif

#include "core/error.h"
#include "core/kernels.h"

#if defined(PN_X86)
#if defined(_MSC_VER)
#include <intrin.h>
#else
#include <cpuid.h>
#endif
#endif

namespace pn {

namespace {

#if defined(PN_X86)

struct Registers {
    std::uint32_t a, b, c, d;
};

Registers cpuid(std::uint32_t leaf, std::uint32_t part = 0) {
    Registers r{};
#if defined(_MSC_VER)
    int values[4];
    __cpuidex(values, static_cast<int>(leaf), static_cast<int>(part));
    std::memcpy(&r, values, sizeof r);
#else
    __cpuid_count(leaf, part, r.a, r.b, r.c, r.d);
#endif
    return r;
}

std::uint64_t enabled_state() {
#if defined(_MSC_VER)
    return _xgetbv(0);
#else
    std::uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (static_cast<std::uint64_t>(high) << 32) | low;
#endif
}

constexpr bool bit(std::uint32_t value, int index) { return ((value >> index) & 1u) != 0; }

struct Features {
    bool avx2 = false;
    bool avx512 = false;
    bool avx512bf16 = false;
};

Features detect() {
    Features features;
    if (cpuid(0).a < 7) return features;
    const Registers basic = cpuid(1), extended = cpuid(7);
    constexpr int osxsave = 27, fma = 12, avx2 = 5, f = 16, dq = 17, bw = 30, vl = 31;
    if (!bit(basic.c, osxsave)) return features;
    const std::uint64_t state = enabled_state();
    features.avx2 = (state & 0x06) == 0x06 && bit(basic.c, fma) && bit(extended.b, avx2);
    features.avx512 = features.avx2 && (state & 0xe6) == 0xe6 && bit(extended.b, f) && bit(extended.b, dq) &&
                      bit(extended.b, bw) && bit(extended.b, vl);
    constexpr int vnni = 11, bf16 = 5;  // no processor has the second without the first
    features.avx512bf16 = features.avx512 && bit(extended.c, vnni) && extended.a >= 1 && bit(cpuid(7, 1).a, bf16);
    return features;
}

#endif

}  // namespace

const Kernels* find_kernels(const std::string& name) {
    if (name == "portable") return &portable::kernels();
#if defined(PN_X86)
    static const Features features = detect();
    if (name == "avx2" && features.avx2) return &avx2::kernels();
    if (name == "avx512" && features.avx512) return &avx512::kernels();
    if (name == "avx512bf16" && features.avx512bf16) return &avx512bf16::kernels();
#endif
    return nullptr;
}

const Kernels& choose_kernels(const char* name) {
    if (name == nullptr) name = std::getenv("PEFTNATIVE_CPU");
    if (name != nullptr && *name != '\0') {
        if (const Kernels* kernels = find_kernels(name)) return *kernels;
        fail(PN_UNSUPPORTED, "this machine has no instruction set %s (of portable, avx2, avx512, avx512bf16)", name);
    }
    for (const char* best : {"avx512bf16", "avx512", "avx2"})
        if (const Kernels* kernels = find_kernels(best)) return *kernels;
    return portable::kernels();
}

std::string processor_name() {
#if defined(PN_X86)
    if (cpuid(0x80000000u).a >= 0x80000004u) {
        char brand[49] = {};
        for (std::uint32_t i = 0; i < 3; i++) {
            const Registers r = cpuid(0x80000002u + i);
            std::memcpy(brand + 16 * i, &r, sizeof r);
        }
        const std::string name = brand;
        const auto first = name.find_first_not_of(' '), last = name.find_last_not_of(' ');
        if (first != std::string::npos) return name.substr(first, last - first + 1);
    }
    return "x86-64";
#elif defined(__aarch64__) || defined(_M_ARM64)
    return "arm64";
#else
    return "cpu";
#endif
}

int processor_count() {
#if defined(__linux__)
    cpu_set_t set;  // what a container or taskset leaves to this process
    if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
#endif
    const unsigned count = std::thread::hardware_concurrency();
    return count == 0 ? 1 : static_cast<int>(count);
}

}  // namespace pn
