// What cuBLASLt refuses, and which of its algorithms are suggested to whom.
#include "driver.h"

#include <array>
#include <cstdint>

extern "C" {
int cublasLtCreate(void** handle);
int cublasLtDestroy(void* handle);
int cublasLtMatmulDescCreate(void** descriptor, int compute, int scale);
int cublasLtMatmulDescDestroy(void* descriptor);
int cublasLtMatmulDescSetAttribute(void* descriptor, int attribute, const void* p, std::size_t bytes);
int cublasLtMatrixLayoutCreate(void** layout, int type, std::uint64_t rows, std::uint64_t columns,
                               std::int64_t leading);
int cublasLtMatrixLayoutDestroy(void* layout);
int cublasLtMatmulPreferenceCreate(void** preference);
int cublasLtMatmulPreferenceDestroy(void* preference);
int cublasLtMatmulPreferenceSetAttribute(void* preference, int attribute, const void* p, std::size_t bytes);
int cublasLtMatmulAlgoGetHeuristic(void* handle, void* descriptor, void* a, void* b, void* c, void* d, void* preference,
                                   int requested, void* results, int* count);
int cublasLtMatmulAlgoCheck(void* handle, void* descriptor, void* a, void* b, void* c, void* d, const void* algorithm,
                            void* result);
int cublasLtMatmul(void* handle, void* descriptor, const float* alpha, unsigned long long a, void* a_layout,
                   unsigned long long b, void* b_layout, const float* beta, unsigned long long c, void* c_layout,
                   unsigned long long d, void* d_layout, const void* algorithm, void* workspace, std::size_t bytes,
                   void* stream);
}

namespace pn::emu::tests {

namespace {

constexpr int ok = 0, invalid = 7, unsupported = 15;

struct Suggestion {
    std::array<std::uint64_t, 8> algorithm;
    std::size_t workspace;
    int state;
    float waves;
    int reserved[4];
};

// D [4, 3] = A [4, 8] B [8, 3] in fp32.
class CublasLtTest : public DeviceTest {
protected:
    void SetUp() override {
        DeviceTest::SetUp();
        EXPECT_EQ(cublasLtCreate(&handle_), ok);
        EXPECT_EQ(cublasLtMatmulDescCreate(&descriptor_, 68, 0), ok);
        EXPECT_EQ(cublasLtMatmulPreferenceCreate(&preference_), ok);
        EXPECT_EQ(cublasLtMatrixLayoutCreate(&a_layout_, 0, 4, 8, 4), ok);
        EXPECT_EQ(cublasLtMatrixLayoutCreate(&b_layout_, 0, 8, 3, 8), ok);
        EXPECT_EQ(cublasLtMatrixLayoutCreate(&d_layout_, 0, 4, 3, 4), ok);
    }

    void TearDown() override {
        for (void* layout : {a_layout_, b_layout_, d_layout_}) EXPECT_EQ(cublasLtMatrixLayoutDestroy(layout), ok);
        EXPECT_EQ(cublasLtMatmulPreferenceDestroy(preference_), ok);
        EXPECT_EQ(cublasLtMatmulDescDestroy(descriptor_), ok);
        EXPECT_EQ(cublasLtDestroy(handle_), ok);
        EXPECT_EQ(cublasLtDestroy(handle_), invalid);
        EXPECT_EQ(pncuda_emu_live("products"), 0u);
        DeviceTest::TearDown();
    }

    template <class T>
    int describe(int attribute, T value) {
        return cublasLtMatmulDescSetAttribute(descriptor_, attribute, &value, sizeof value);
    }
    template <class T>
    int prefer(int attribute, T value) {
        return cublasLtMatmulPreferenceSetAttribute(preference_, attribute, &value, sizeof value);
    }

    std::vector<Suggestion> suggestions() {
        std::vector<Suggestion> all(16);
        int count = 0;
        status_ = cublasLtMatmulAlgoGetHeuristic(handle_, descriptor_, a_layout_, b_layout_, d_layout_, d_layout_,
                                                 preference_, 16, all.data(), &count);
        all.resize(static_cast<std::size_t>(count));
        return all;
    }

    int multiply(const Suggestion& by, unsigned long long a, unsigned long long b, unsigned long long d,
                 void* workspace, std::size_t bytes) {
        const float one = 1, zero = 0;
        return cublasLtMatmul(handle_, descriptor_, &one, a, a_layout_, b, b_layout_, &zero, d, d_layout_, d, d_layout_,
                              &by.algorithm, workspace, bytes, nullptr);
    }

    void *handle_ = nullptr, *descriptor_ = nullptr, *preference_ = nullptr, *a_layout_ = nullptr, *b_layout_ = nullptr,
         *d_layout_ = nullptr;
    int status_ = 0;
};

TEST_F(CublasLtTest, RefusesAttributesOfAnotherSizeNumberOrValue) {
    EXPECT_EQ(describe(3, std::int32_t{1}), ok);
    EXPECT_EQ(describe(3, std::int64_t{1}), invalid);
    EXPECT_EQ(describe(3, std::int32_t{77}), invalid);
    EXPECT_EQ(describe(7, std::uint32_t{32}), invalid);
    EXPECT_EQ(describe(99, std::int32_t{0}), invalid);
    EXPECT_EQ(prefer(1, std::uint64_t{1 << 20}), ok);
    EXPECT_EQ(prefer(1, std::uint32_t{1 << 20}), invalid);
    EXPECT_EQ(prefer(3, std::uint32_t{8}), invalid);
    EXPECT_EQ(prefer(5, std::uint32_t{3}), invalid);
    EXPECT_EQ(prefer(14, std::uint32_t{1}), invalid);
    void* layout = nullptr;
    EXPECT_EQ(cublasLtMatrixLayoutCreate(&layout, 0, 4, 8, 3), invalid);
    EXPECT_EQ(cublasLtMatrixLayoutCreate(&layout, 1, 4, 8, 4), invalid);
    void* descriptor = nullptr;
    EXPECT_EQ(cublasLtMatmulDescCreate(&descriptor, 77, 0), invalid);
}

TEST_F(CublasLtTest, RefusesShapesThatDoNotGoTogetherAndABiasThatIsNotThere) {
    EXPECT_FALSE(suggestions().empty());
    EXPECT_EQ(describe(3, std::int32_t{1}), ok);
    EXPECT_TRUE(suggestions().empty());
    EXPECT_EQ(status_, invalid);
    EXPECT_EQ(describe(3, std::int32_t{0}), ok);
    EXPECT_EQ(describe(7, std::uint32_t{4}), ok);
    EXPECT_TRUE(suggestions().empty());
    EXPECT_EQ(status_, invalid);
}

TEST_F(CublasLtTest, SuggestsWhatThePreferenceAllows) {
    EXPECT_EQ(suggestions().size(), 4u);  // no workspace, everything aligned
    EXPECT_EQ(prefer(1, std::uint64_t{1 << 20}), ok);
    EXPECT_EQ(suggestions().size(), 7u);
    EXPECT_EQ(prefer(3, std::uint32_t{2}), ok);
    EXPECT_EQ(suggestions().size(), 5u);  // no sums in the type of the result
    for (int operand = 5; operand <= 8; operand++) EXPECT_EQ(prefer(operand, std::uint32_t{4}), ok);
    EXPECT_EQ(suggestions().size(), 3u);
    EXPECT_EQ(prefer(6, std::uint32_t{2}), ok);
    EXPECT_TRUE(suggestions().empty());
    EXPECT_EQ(status_, unsupported);
}

TEST_F(CublasLtTest, RefusesMemoryThatAnAlgorithmCannotUse) {
    const Buffer<float> a(std::vector<float>(40, 1.0f)), b(std::vector<float>(24, 2.0f)), d(std::size_t{20}),
        workspace(std::size_t{64});
    EXPECT_EQ(prefer(1, std::uint64_t{256}), ok);
    EXPECT_EQ(prefer(3, std::uint32_t{2}), ok);
    const std::vector<Suggestion> all = suggestions();
    ASSERT_EQ(all.size(), 5u);
    void* const memory = workspace.get();
    for (const Suggestion& by : all) {
        EXPECT_EQ(multiply(by, a.pointer(), b.pointer(), d.pointer(), memory, 256), ok) << last_report();
        EXPECT_EQ(d.values()[11], 16.0f);
        if (by.workspace > 0) {
            EXPECT_EQ(multiply(by, a.pointer(), b.pointer(), d.pointer(), memory, by.workspace - 1), invalid);
        }
    }
    // aligned to less than it needs
    EXPECT_EQ(multiply(all[0], a.pointer() + 16, b.pointer(), d.pointer(), memory, 256), invalid);
    EXPECT_EQ(multiply(all[0], a.pointer(), b.pointer(), d.pointer(), memory, 512),
              invalid);  // more workspace than there is
    EXPECT_EQ(multiply(all[0], 256, b.pointer(), d.pointer(), memory, 256), invalid);               // no device memory
    Suggestion broken = all[0];
    broken.algorithm[1] ^= 64;
    EXPECT_EQ(multiply(broken, a.pointer(), b.pointer(), d.pointer(), memory, 256), unsupported);
    Suggestion checked;
    EXPECT_EQ(cublasLtMatmulAlgoCheck(handle_, descriptor_, a_layout_, b_layout_, d_layout_, d_layout_,
                                      &broken.algorithm, &checked),
              unsupported);
    EXPECT_EQ(cublasLtMatmulAlgoCheck(handle_, descriptor_, a_layout_, b_layout_, d_layout_, d_layout_,
                                      &all[0].algorithm, &checked),
              ok);
}

}  // namespace

}  // namespace pn::emu::tests
