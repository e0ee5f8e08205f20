// All products of a linear layer against plain loops, on whole
// numbers: results must be equal, whatever the order of summation.
#include <array>

#include "instruction_sets.h"

namespace {

using Shape = std::array<int, 3>;  // rows of X, outputs, inputs

constexpr Shape shapes[] = {
    {1, 1, 1},    {1, 17, 5},   {3, 2, 48},   {7, 9, 49},    {8, 48, 47},    {13, 6, 96},   {16, 50, 97}, {17, 8, 1},
    {31, 97, 33}, {47, 5, 769}, {48, 96, 48}, {49, 33, 143}, {64, 13, 1537}, {97, 49, 145}, {101, 1, 53}, {2, 103, 800},
};

class Layer {
public:
    Layer(const Shape& shape, int extra)
        : m(shape[0]),
          n(shape[1]),
          k(shape[2]),
          x(m, k, extra),
          w(n, k, extra),
          y(m, n, extra),
          dy(m, n, extra),
          dx(m, k, extra),
          dw(n, k, extra) {
        x.whole_numbers(1);
        w.whole_numbers(2);
        dy.whole_numbers(3);
        dx.whole_numbers(4);
        dw.whole_numbers(5);
    }

    void run(pn_context* context) {
        const Matrix dx_before = dx, dw_before = dw;
        pn_linear op{};
        op.x = x.tensor();
        op.w = w.tensor();
        op.y = y.tensor();
        pn_linear_gradients g{};
        g.dy = dy.tensor();
        g.dx = dx.tensor();
        g.dw = dw.tensor();
        g.accumulate_dx = 1;
        ASSERT_EQ(pn_linear_forward(context, &op), PN_OK) << pn_last_error();
        ASSERT_EQ(pn_linear_backward(context, &op, &g), PN_OK) << pn_last_error();
        compare(dx_before, dw_before);
    }

private:
    void compare(const Matrix& dx_before, const Matrix& dw_before) const {
        for (int i = 0; i < m; i++)
            for (int j = 0; j < n; j++) {
                float sum = 0;
                for (int s = 0; s < k; s++) sum += x.at(i, s) * w.at(j, s);
                ASSERT_EQ(y.at(i, j), sum) << "y " << i << " " << j;
            }
        for (int i = 0; i < m; i++)
            for (int s = 0; s < k; s++) {
                float sum = dx_before.at(i, s);
                for (int j = 0; j < n; j++) sum += dy.at(i, j) * w.at(j, s);
                ASSERT_EQ(dx.at(i, s), sum) << "dx " << i << " " << s;
            }
        for (int j = 0; j < n; j++)
            for (int s = 0; s < k; s++) {
                float sum = dw_before.at(j, s);
                for (int i = 0; i < m; i++) sum += dy.at(i, j) * x.at(i, s);
                ASSERT_EQ(dw.at(j, s), sum) << "dw " << j << " " << s;
            }
        ASSERT_TRUE(y.guards_hold() && dx.guards_hold() && dw.guards_hold());
    }

    int m, n, k;
    Matrix x, w, y, dy, dx, dw;
};

class MatrixProducts : public InstructionSets {};

TEST_P(MatrixProducts, equal_plain_loops_bit_for_bit_in_all_shapes_and_strides) {
    for (const int threads : {1, 2, 3}) {
        const ContextPointer context = open(GetParam(), threads);
        for (const Shape& shape : shapes)
            for (const int extra : {0, 3}) {
                SCOPED_TRACE(testing::Message()
                             << shape[0] << "x" << shape[1] << "x" << shape[2] << " extra " << extra);
                Layer(shape, extra).run(context.get());
                if (HasFatalFailure()) return;
            }
    }
}

// Large enough for workers to take over from each other: in one block of the reduction, in several, and with few rows.
TEST_P(MatrixProducts, give_the_same_bits_for_any_number_of_threads) {
    for (const Shape& shape : {Shape{150, 210, 1000}, Shape{70, 100, 2300}, Shape{3, 8000, 64}}) {
        SCOPED_TRACE(testing::Message() << shape[0] << "x" << shape[1] << "x" << shape[2]);
        Matrix x(shape[0], shape[2]), w(shape[1], shape[2]), one(shape[0], shape[1]), other(shape[0], shape[1]);
        for (int i = 0; i < x.rows; i++)
            for (int k = 0; k < x.columns; k++) x.at(i, k) = 1.0f / static_cast<float>(1 + i + 7 * k);
        for (int j = 0; j < w.rows; j++)
            for (int k = 0; k < w.columns; k++) w.at(j, k) = 1.0f / static_cast<float>(3 + 5 * j + k);
        pn_linear op{};
        op.x = x.tensor();
        op.w = w.tensor();
        op.y = one.tensor();
        ASSERT_EQ(pn_linear_forward(open(GetParam(), 1).get(), &op), PN_OK);
        for (const int threads : {2, 3, 5, 7}) {
            op.y = other.tensor();
            ASSERT_EQ(pn_linear_forward(open(GetParam(), threads).get(), &op), PN_OK);
            ASSERT_EQ(one.values, other.values) << threads << " threads";
        }
    }
}

// A weight of codes. Activations are whole numbers with a 127 in every row, so that they are their own codes.
class CodedLayer {
public:
    CodedLayer(const Shape& shape, int extra)
        : m(shape[0]),
          n(shape[1]),
          k(shape[2]),
          stride(k + extra),
          x(m, k, extra),
          y(m, n, extra),
          dy(m, n, extra),
          dx(m, k, extra),
          maxima(1, n),
          codes(static_cast<std::size_t>(n) * static_cast<std::size_t>(stride)) {
        std::uint32_t seed = 9;
        const auto next = [&] { return static_cast<int>((seed = seed * 1664525u + 1013904223u) >> 24); };
        for (auto& code : codes) code = static_cast<std::int8_t>(next() - 128);
        for (Matrix* matrix : {&x, &dy})
            for (int i = 0; i < m; i++)
                for (int j = 0; j < matrix->columns; j++)
                    matrix->at(i, j) = static_cast<float>(j == i % matrix->columns ? 127 : next() % 255 - 127);
        maxima.fill(1);
    }

    void run(pn_context* context) {
        pn_linear op{};
        op.x = x.tensor();
        op.w = {codes.data(), PN_INT8, n, k, stride};
        op.w_maxima = maxima.tensor();
        op.y = y.tensor();
        pn_linear_gradients g{};
        g.dy = dy.tensor();
        g.dx = dx.tensor();
        ASSERT_EQ(pn_linear_forward(context, &op), PN_OK) << pn_last_error();
        ASSERT_EQ(pn_linear_backward(context, &op, &g), PN_OK) << pn_last_error();
        const float scale = 127.0f * (1.0f / (127 * 127));
        for (int i = 0; i < m; i++) {
            for (int j = 0; j < n; j++) {
                int sum = 0;
                for (int s = 0; s < k; s++) sum += static_cast<int>(x.at(i, s)) * code(j, s);
                ASSERT_EQ(y.at(i, j), static_cast<float>(sum) * scale) << "y " << i << " " << j;
            }
            for (int s = 0; s < k; s++) {
                int sum = 0;
                for (int j = 0; j < n; j++) sum += static_cast<int>(dy.at(i, j)) * code(j, s);
                ASSERT_EQ(dx.at(i, s), static_cast<float>(sum) * scale) << "dx " << i << " " << s;
            }
        }
        ASSERT_TRUE(y.guards_hold() && dx.guards_hold());
    }

private:
    int code(int j, int s) const {
        return codes[static_cast<std::size_t>(j) * static_cast<std::size_t>(stride) + static_cast<std::size_t>(s)];
    }

    int m, n, k, stride;
    Matrix x, y, dy, dx, maxima;
    std::vector<std::int8_t> codes;
};

TEST_P(MatrixProducts, of_codes_equal_plain_loops_bit_for_bit) {
    // few rows, reductions of several blocks
    constexpr Shape more[] = {{2, 3, 8}, {4, 101, 768}, {5, 9, 4300}, {9, 8449, 4}, {33, 50, 96}};
    for (const int threads : {1, 3}) {
        const ContextPointer context = open(GetParam(), threads);
        for (const Shape& shape : shapes) CodedLayer(shape, 0).run(context.get());
        for (const Shape& shape : more)
            for (const int extra : {0, 3, 4}) {
                SCOPED_TRACE(testing::Message()
                             << shape[0] << "x" << shape[1] << "x" << shape[2] << " extra " << extra);
                CodedLayer(shape, extra).run(context.get());
                if (HasFatalFailure()) return;
            }
    }
}

FOR_ALL_INSTRUCTION_SETS(MatrixProducts);

}  // namespace
