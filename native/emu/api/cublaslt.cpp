// Products by cuBLASLt. Its algorithms give the bits of cublasGemmEx, except those
// that a program which wants fp32 sums has to rule out, and each wants something:
// aligned operands, memory, no bias, or the sum in the place of what is added.
#include "emu/api/state.h"
#include "emu/run/memory.h"

#include <algorithm>
#include <cstring>

using namespace pn::emu;

namespace {

constexpr std::uint32_t in_place = 1, in_fp32 = 2, in_type_of_d = 4;  // where the parts of a split sum meet

// What a program sees as 64 bytes.
struct Algorithm {
    std::uint64_t mark;
    std::int32_t number, types;
    std::uint32_t reduction, alignment;
    std::uint64_t workspace;
    std::uint32_t needs_c_in_d, unused[7];
};
static_assert(sizeof(Algorithm) == 64);

constexpr std::uint64_t algorithm_mark = 0x6d68746972676c61;

struct HeuristicResult {
    Algorithm algorithm;
    std::size_t workspace;
    int state;
    float waves;
    int reserved[4];
};
static_assert(sizeof(HeuristicResult) == 96);

struct Problem {
    const LtDescriptor& what;
    const LtLayout &a, &b, &c, &d;

    Problem(LtDescriptor* descriptor, LtLayout* a_layout, LtLayout* b_layout, LtLayout* c_layout, LtLayout* d_layout)
        : what(state().lt_descriptors.get(descriptor)),
          a(state().lt_layouts.get(a_layout)),
          b(state().lt_layouts.get(b_layout)),
          c(state().lt_layouts.get(c_layout)),
          d(state().lt_layouts.get(d_layout)) {
        const auto [m, depth] = what.transpose_a ? std::pair{a.columns, a.rows} : std::pair{a.rows, a.columns};
        const auto [other_depth, n] = what.transpose_b ? std::pair{b.columns, b.rows} : std::pair{b.rows, b.columns};
        require(m == d.rows && n == d.columns && depth == other_depth, "matrices whose shapes do not go together");
        require(c.rows == d.rows && c.columns == d.columns && c.type == d.type, "C and D of different shapes or types");
        require(a.type == b.type && (d.type == a.type || d.type == type_fp32), "types that do not go together");
        require(!what.has_bias || what.bias != 0, "an epilogue with a bias, but no bias");
    }

    std::int32_t types() const { return a.type | d.type << 8; }

    // Best first, as the heuristic says; which one that is says nothing about a real device.
    std::vector<Algorithm> algorithms() const {
        const auto column = static_cast<std::uint64_t>(d.rows) * sizeof(float);
        const auto element = static_cast<std::uint32_t>(a.at(0).element());
        const auto make = [&](int number, std::uint32_t reduction, std::uint32_t alignment, std::uint64_t workspace,
                              bool needs_c_in_d = false) {
            return Algorithm{algorithm_mark,         number, types(), reduction, alignment, workspace,
                             needs_c_in_d ? 1u : 0u, {}};
        };
        std::vector<Algorithm> all = {
            make(1, in_type_of_d, 4, column), make(2, in_place, 4, 256), make(3, 0, 256, 0), make(4, 0, 4, 0, true),
            make(5, 0, 16, std::uint64_t{1} << 30), make(6, 0, 16, 0), make(7, in_fp32, 4, column)};
        if (!what.has_bias) all.push_back(make(8, 0, element, 0));
        return all;
    }
};

bool fits(const Algorithm& algorithm, const LtPreference& preference) {
    return (algorithm.reduction == 0 || (algorithm.reduction & preference.reductions) != 0) &&
           algorithm.workspace <= preference.workspace &&
           std::ranges::all_of(preference.alignments,
                               [&](std::uint32_t given) { return algorithm.alignment <= given; });
}

Algorithm known_algorithm(const void* bytes, const Problem& problem) {
    require(bytes != nullptr, "no algorithm");
    Algorithm algorithm;
    std::memcpy(&algorithm, bytes, sizeof algorithm);
    const auto all = problem.algorithms();
    const auto same = [&](const Algorithm& other) { return std::memcmp(&other, &algorithm, sizeof algorithm) == 0; };
    if (!std::ranges::any_of(all, same)) throw Failure{not_supported, "an algorithm that this product does not have"};
    return algorithm;
}

void check_alignment(const Algorithm& algorithm, std::initializer_list<Pointer> operands) {
    for (const Pointer p : operands)
        require(p % algorithm.alignment == 0, "an operand that is not aligned as the algorithm needs it");
}

void check_workspace(const Algorithm& algorithm, const void* workspace, std::size_t bytes) {
    require(bytes >= algorithm.workspace, "less workspace than the algorithm needs");
    require(reinterpret_cast<std::uintptr_t>(workspace) % 256 == 0, "a workspace that is not aligned to 256 bytes");
    require(bytes == 0 || DeviceMemory::get().holds(workspace, bytes), "a workspace that is not device memory");
}

}  // namespace

PN_API int cublasLtMatmulAlgoGetHeuristic(LtHandle* handle, LtDescriptor* descriptor, LtLayout* a, LtLayout* b,
                                          LtLayout* c, LtLayout* d, LtPreference* preference, int requested,
                                          HeuristicResult* results, int* count) {
    return blas_status(driver_call("cublasLtMatmulAlgoGetHeuristic", Needs::nothing, [&] {
        state().lt_handles.get(handle);
        require(requested > 0 && results != nullptr && count != nullptr, "no place for algorithms");
        const LtPreference& known = state().lt_preferences.get(preference);
        *count = 0;
        for (const Algorithm& algorithm : Problem(descriptor, a, b, c, d).algorithms())
            if (*count < requested && fits(algorithm, known))
                results[(*count)++] = {algorithm, algorithm.workspace, 0, 1.0f, {}};
        if (*count == 0) throw Failure{not_supported, "no algorithm fits"};
    }));
}

PN_API int cublasLtMatmulAlgoCheck(LtHandle* handle, LtDescriptor* descriptor, LtLayout* a, LtLayout* b, LtLayout* c,
                                   LtLayout* d, const void* algorithm, HeuristicResult* result) {
    return blas_status(driver_call("cublasLtMatmulAlgoCheck", Needs::nothing, [&] {
        state().lt_handles.get(handle);
        require(result != nullptr, "no place for the result");
        const Algorithm known = known_algorithm(algorithm, Problem(descriptor, a, b, c, d));
        *result = {known, known.workspace, 0, 1.0f, {}};
    }));
}

PN_API int cublasLtMatmulAlgoCapGetAttribute(const void* algorithm, int attribute, void* p, std::size_t bytes,
                                             std::size_t* written) {
    return blas_status(driver_call("cublasLtMatmulAlgoCapGetAttribute", Needs::nothing, [&] {
        constexpr int out_of_place = 4;
        require(attribute == out_of_place, "a question other than whether C may differ from D");
        require(algorithm != nullptr && p != nullptr && bytes == sizeof(std::int32_t) && written != nullptr,
                "no place for the answer");
        Algorithm known;
        std::memcpy(&known, algorithm, sizeof known);
        require(known.mark == algorithm_mark, "no algorithm");
        const std::int32_t answer = known.needs_c_in_d != 0 ? 0 : 1;
        std::memcpy(p, &answer, sizeof answer);
        *written = sizeof answer;
    }));
}

PN_API int cublasLtMatmul(LtHandle* handle, LtDescriptor* descriptor, const float* alpha, Pointer a, LtLayout* a_layout,
                          Pointer b, LtLayout* b_layout, const float* beta, Pointer c, LtLayout* c_layout, Pointer d,
                          LtLayout* d_layout, const void* algorithm, void* workspace, std::size_t workspace_bytes,
                          Stream* stream) {
    return blas_status(driver_call("cublasLtMatmul", [&] {
        state().lt_handles.get(handle);
        require(alpha != nullptr && beta != nullptr, "no factors");
        const Problem problem(descriptor, a_layout, b_layout, c_layout, d_layout);
        const LtDescriptor& what = problem.what;
        const Algorithm chosen = known_algorithm(algorithm, problem);
        check_alignment(chosen, {a, b, c, d});
        check_workspace(chosen, workspace, workspace_bytes);
        require(c != d || problem.c == problem.d, "C in the place of D, but with other columns");
        require(c == d || chosen.needs_c_in_d == 0, "an algorithm that needs C in the place of D");
        Product product = {problem.a.at(a),
                           problem.b.at(b),
                           problem.c.at(c),
                           problem.d.at(d),
                           {},
                           what.transpose_a,
                           what.transpose_b,
                           *alpha,
                           *beta};
        if (what.has_bias) product.bias = {what.bias, problem.d.type, problem.d.rows, 1, problem.d.rows};
        product.halves_rounded = chosen.reduction == in_type_of_d || chosen.reduction == in_place;
        if (chosen.workspace > 0 && chosen.reduction != in_place) product.sums = static_cast<float*>(workspace);
        product.check();
        enqueue(stream == nullptr ? nullptr : &state().streams.get(stream),
                {"cublasLtMatmul " + std::to_string(chosen.number), [product] { product.run(); }, {}, {}});
    }));
}
