// The most this machine can do, measured: multiply-adds with all operands in registers, and reading memory larger than
// any cache. What benchmarks relate their rates to.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>

#include "core/context.h"
#include "core/error.h"
#include "core/features.h"
#include "core/workspace.h"
#include "peftnative.h"

#if defined(PN_X86)
#include <immintrin.h>
#if defined(_MSC_VER)
#include <intrin.h>
#define PN_TARGET(features)
#else
#include <cpuid.h>
#define PN_TARGET(features) __attribute__((target(features)))
#endif
#endif

namespace {

using Clock = std::chrono::steady_clock;

// Enough independent sums to hide the latency of a multiply-add, few enough for 16 registers.
constexpr int sums = 12;

struct Arithmetic {
    float (*run)(std::int64_t rounds);
    double operations_per_round;
};

// What the compiler makes of plain loops for the base instruction set.
float portable_rounds(std::int64_t rounds) {
    constexpr int width = 4;
    float sum[sums * width] = {};
    for (std::int64_t r = 0; r < rounds; r++)
        for (float& s : sum) s = s * 0.999f + 1.0f;
    return *std::max_element(sum, sum + sums * width);
}

#if defined(PN_X86)

PN_TARGET("avx2,fma") float avx2_rounds(std::int64_t rounds) {
    __m256 sum[sums];
    const __m256 x = _mm256_set1_ps(0.999f), y = _mm256_set1_ps(1.0f);
    for (auto& s : sum) s = y;
    for (std::int64_t r = 0; r < rounds; r++)
        for (auto& s : sum) s = _mm256_fmadd_ps(s, x, y);
    for (int i = 1; i < sums; i++) sum[0] = _mm256_add_ps(sum[0], sum[i]);
    return _mm256_cvtss_f32(sum[0]);
}

PN_TARGET("avx512f") float avx512_rounds(std::int64_t rounds) {
    __m512 sum[sums];
    const __m512 x = _mm512_set1_ps(0.999f), y = _mm512_set1_ps(1.0f);
    for (auto& s : sum) s = y;
    for (std::int64_t r = 0; r < rounds; r++)
        for (auto& s : sum) s = _mm512_fmadd_ps(s, x, y);
    for (int i = 1; i < sums; i++) sum[0] = _mm512_add_ps(sum[0], sum[i]);
    return _mm512_cvtss_f32(sum[0]);
}

PN_TARGET("avx512f,avx512bf16") float bf16_rounds(std::int64_t rounds) {
    __m512 sum[sums];
    const __m512bh x = _mm512_cvtne2ps_pbh(_mm512_set1_ps(0.5f), _mm512_set1_ps(0.25f));
    for (auto& s : sum) s = _mm512_setzero_ps();
    for (std::int64_t r = 0; r < rounds; r++)
        for (auto& s : sum) s = _mm512_dpbf16_ps(s, x, x);
    for (int i = 1; i < sums; i++) sum[0] = _mm512_add_ps(sum[0], sum[i]);
    return _mm512_cvtss_f32(sum[0]);
}

PN_TARGET("avx512f,avx512vnni") float int8_rounds(std::int64_t rounds) {
    __m512i sum[sums];
    const __m512i x = _mm512_set1_epi8(1);
    for (auto& s : sum) s = _mm512_setzero_si512();
    for (std::int64_t r = 0; r < rounds; r++)
        for (auto& s : sum) s = _mm512_dpbusd_epi32(s, x, x);
    for (int i = 1; i < sums; i++) sum[0] = _mm512_add_epi32(sum[0], sum[i]);
    return _mm512_cvtss_f32(_mm512_castsi512_ps(sum[0]));
}

bool has_bf16_dot_products() {
    if (pn::find_kernels("avx512") == nullptr) return false;
    std::uint32_t a = 0;
#if defined(_MSC_VER)
    int registers[4];
    __cpuidex(registers, 7, 1);
    a = static_cast<std::uint32_t>(registers[0]);
#else
    std::uint32_t b, c, d;
    if (!__get_cpuid_count(7, 1, &a, &b, &c, &d)) return false;
#endif
    return ((a >> 5) & 1u) != 0;
}

#endif

Arithmetic fp32_arithmetic() {
#if defined(PN_X86)
    if (pn::find_kernels("avx512") != nullptr) return {avx512_rounds, 2.0 * 16 * sums};
    if (pn::find_kernels("avx2") != nullptr) return {avx2_rounds, 2.0 * 8 * sums};
#endif
    return {portable_rounds, 2.0 * 4 * sums};
}

Arithmetic bf16_arithmetic() {
#if defined(PN_X86)
    if (has_bf16_dot_products()) return {bf16_rounds, 2.0 * 32 * sums};
#endif
    return {nullptr, 0};
}

Arithmetic int8_arithmetic() {
#if defined(PN_X86)
    if (pn::find_kernels("avx512bf16") != nullptr) return {int8_rounds, 2.0 * 64 * sums};
#endif
    return {nullptr, 0};
}

// The best of several rounds that last some 20 ms each.
template <class Body>
double best_rate(double work, Body&& body) {
    double best = 0;
    for (int round = 0; round < 8; round++) {
        const auto start = Clock::now();
        body();
        best = std::max(best, work / std::chrono::duration<double>(Clock::now() - start).count());
    }
    return best;
}

double arithmetic_rate(pn_context& context, const Arithmetic& arithmetic) {
    if (arithmetic.run == nullptr) return 0;
    constexpr std::int64_t rounds = 4'000'000;
    std::atomic<float> keep{0};  // or the compiler leaves the work out
    return best_rate(arithmetic.operations_per_round * rounds * context.pool.size(), [&] {
        context.pool.run(context.pool.size(), [&](int) { keep = arithmetic.run(rounds); });
    });
}

std::uint64_t sum_of_lines(const std::uint64_t* data, std::int64_t words) {
    std::uint64_t sum[16] = {};
    for (std::int64_t i = 0; i < words; i += 16)
        for (int j = 0; j < 16; j++) sum[j] += data[i + j];
    std::uint64_t total = 0;
    for (const std::uint64_t s : sum) total += s;
    return total;
}

double reading_rate(pn_context& context) {
    const std::int64_t part = (std::int64_t{256} << 20) / context.pool.size() / 1024 * 1024, words = part / 8;
    struct Free {
        void* memory;
        ~Free() { pn::free_aligned(memory); }
    } memory{pn::allocate_aligned(static_cast<std::size_t>(part) * context.pool.size())};
    auto* data = static_cast<std::uint64_t*>(memory.memory);
    context.pool.run(context.pool.size(),
                     [&](int worker) { std::fill_n(data + worker * words, words, std::uint64_t{1}); });
    std::atomic<std::uint64_t> keep{0};
    return best_rate(static_cast<double>(part) * context.pool.size(), [&] {
        context.pool.run(context.pool.size(), [&](int worker) { keep += sum_of_lines(data + worker * words, words); });
    });
}

}  // namespace

pn_status pn_measure_peak(pn_context* context, int32_t peak, double* rate) {
    return pn::guard([&] {
        if (context == nullptr || rate == nullptr) pn::fail(PN_INVALID_ARGUMENT, "measure peak: a null argument");
        switch (peak) {
            case PN_PEAK_FP32: *rate = arithmetic_rate(*context, fp32_arithmetic()); return;
            case PN_PEAK_BF16: *rate = arithmetic_rate(*context, bf16_arithmetic()); return;
            case PN_PEAK_INT8: *rate = arithmetic_rate(*context, int8_arithmetic()); return;
            case PN_PEAK_READING: *rate = reading_rate(*context); return;
            default: pn::fail(PN_INVALID_ARGUMENT, "measure peak: there is no peak %d", peak);
        }
    });
}
