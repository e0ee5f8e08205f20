// What the C boundary promises: errors as a status and a text, never a crash or an exception.
#include "instruction_sets.h"

namespace {

TEST(Abi, refuses_another_record_layout) {
    const int32_t wrong[] = {1, 2, 3};
    EXPECT_EQ(pn_check_layout(wrong, 3), PN_INVALID_ARGUMENT);
    EXPECT_NE(std::string(pn_last_error()).find("3 records"), std::string::npos);
}

TEST(Abi, refuses_an_unknown_instruction_set) {
    pn_context* context = nullptr;
    EXPECT_EQ(pn_create(1, "sse9", &context), PN_UNSUPPORTED);
    EXPECT_EQ(context, nullptr);
    EXPECT_NE(std::string(pn_last_error()).find("sse9"), std::string::npos);
}

TEST(Abi, refuses_null_records) {
    const ContextPointer context = open("portable", 1);
    EXPECT_EQ(pn_gate_forward(context.get(), nullptr), PN_INVALID_ARGUMENT);
    EXPECT_EQ(pn_gate_forward(nullptr, nullptr), PN_INVALID_ARGUMENT);
}

TEST(Abi, refuses_rows_outside_of_a_table) {
    const ContextPointer context = open("portable", 1);
    Matrix x(2, 3), y(1, 3);
    int32_t row = 2;
    pn_gather op{};
    op.x = x.tensor();
    op.y = y.tensor();
    op.rows = {&row, PN_INT32, 1, 1, 1};
    EXPECT_EQ(pn_gather_forward(context.get(), &op), PN_INVALID_DATA);
    EXPECT_STREQ(pn_last_error(), "gather forward: Rows[0] is 2, outside [0, 2)");
    EXPECT_TRUE(y.guards_hold());
}

TEST(Abi, refuses_more_memory_than_there_is) {
    void* memory = nullptr;
    EXPECT_EQ(pn_allocate(INT64_MAX / 2, &memory), PN_OUT_OF_MEMORY);
    EXPECT_EQ(memory, nullptr);
}

TEST(Abi, aligns_memory_to_cache_lines) {
    for (const int64_t bytes : {0, 1, 100, 1 << 20, 64 << 20}) {
        void* memory = nullptr;
        ASSERT_EQ(pn_allocate(bytes, &memory), PN_OK);
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(memory) % 64, 0u) << bytes;
        pn_free(memory);
    }
}

TEST(Abi, fills_every_element_type) {
    const ContextPointer context = open("portable", 1);
    std::uint16_t half[3] = {1, 1, 1};
    const pn_tensor bf16{half, PN_BFLOAT16, 1, 2, 2}, fp16{half, PN_FLOAT16, 1, 2, 2};
    ASSERT_EQ(pn_fill(context.get(), &bf16, 1.0), PN_OK);
    EXPECT_EQ(half[0], 0x3f80);
    const std::pair<double, std::uint16_t> known[] = {{1.0, 0x3c00},
                                                      {-2.5, 0xc100},
                                                      {65504.0, 0x7bff},
                                                      {65520.0, 0x7c00},
                                                      {5.960464477539063e-8, 0x0001},
                                                      {6.103515625e-5, 0x0400},
                                                      {0.1, 0x2e66}};
    for (const auto& [value, bits] : known) {
        ASSERT_EQ(pn_fill(context.get(), &fp16, value), PN_OK);
        EXPECT_EQ(half[1], bits) << value;
    }
    EXPECT_EQ(half[2], 1);
}

}  // namespace
