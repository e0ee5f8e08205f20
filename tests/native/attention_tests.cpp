// Attention over several strips of queries and blocks of keys, as the operation cases, which are small, have not:
// against plain loops, and the same bits for any number of threads where all of them have work.
#include <cmath>
#include <cstring>

#include "instruction_sets.h"

namespace {

constexpr int heads = 4, dim = 40, prefix = 9;
// the last as in generation
constexpr int segments[3][6] = {{0, 200, 0, 200, 0, prefix}, {200, 90, 200, 130, 0, 0}, {290, 1, 330, 900, 0, prefix}};
constexpr int queries = 291, keys = 1230;

std::uint16_t bf16_of(float x) {
    std::uint32_t bits;
    std::memcpy(&bits, &x, sizeof bits);
    return static_cast<std::uint16_t>(bits >> 16);
}

// Numbers between -1 and 1 in fp32 (of few bits, so that bf16 holds them too) or bf16.
class Values {
public:
    Values(int row_count, int column_count, pn_type element, std::uint32_t seed)
        : rows(row_count),
          columns(column_count),
          type(element),
          bytes(static_cast<std::size_t>(row_count * column_count) * (type == PN_BFLOAT16 ? 2 : 4)) {
        for (int i = 0; i < rows * columns; i++) {
            seed = seed * 1664525u + 1013904223u;
            put(i, static_cast<float>(static_cast<int>(seed >> 24) - 128) / 128);
        }
    }

    double at(int i, int j) const {
        float x;
        std::memcpy(&x, bytes.data() + 4 * static_cast<std::size_t>(i * columns + j), 4);
        return static_cast<double>(x);
    }
    pn_tensor tensor() { return {bytes.data(), type, rows, columns, columns}; }

    const int rows, columns;
    const pn_type type;
    std::vector<unsigned char> bytes;

private:
    void put(int i, float x) {
        const std::uint16_t half = bf16_of(x);
        if (type == PN_BFLOAT16) std::memcpy(bytes.data() + 2 * static_cast<std::size_t>(i), &half, 2);
        else std::memcpy(bytes.data() + 4 * static_cast<std::size_t>(i), &x, 4);
    }
};

struct Attention {
    Attention(pn_type type, int key_heads, bool with_prefix, float dropout)
        : kv(key_heads),
          q(queries, heads * dim, type, 1),
          k(keys, kv * dim, type, 2),
          v(keys, kv * dim, type, 3),
          dy(queries, heads * dim, type, 4),
          pk(prefix, kv * dim, PN_FLOAT32, 5),
          pv(prefix, kv * dim, PN_FLOAT32, 6),
          y(queries, heads * dim, type, 7),
          dq(queries, heads * dim, type, 8),
          dk(keys, kv * dim, type, 9),
          dv(keys, kv * dim, type, 10),
          dpk(prefix, kv * dim, PN_FLOAT32, 11),
          dpv(prefix, kv * dim, PN_FLOAT32, 12),
          lse(queries, heads, PN_FLOAT32, 13),
          prefixed(with_prefix) {
        std::memcpy(rows, segments, sizeof rows);
        for (auto& row : rows) row[5] = prefixed ? row[5] : 0;
        for (Values* sums : {&dpk, &dpv}) std::memset(sums->bytes.data(), 0, sums->bytes.size());  // are added to
        op.q = q.tensor();
        op.k = k.tensor();
        op.v = v.tensor();
        op.segments = {rows, PN_INT32, 3, 6, 6};
        op.heads = heads;
        op.kv_heads = kv;
        op.head_dim = op.head_stride = op.kv_head_stride = dim;
        op.scale = 0.4;
        op.causal = 1;
        op.dropout = {dropout, 17, 3};
        op.y = y.tensor();
        op.log_sum_exp = lse.tensor();
        g.dy = dy.tensor();
        g.dq = dq.tensor();
        g.dk = dk.tensor();
        g.dv = dv.tensor();
        if (!prefixed) return;
        op.prefix_k = pk.tensor();
        op.prefix_v = pv.tensor();
        g.dprefix_k = dpk.tensor();
        g.dprefix_v = dpv.tensor();
    }

    void run(const std::string& instruction_set, int threads) {
        const ContextPointer context = open(instruction_set, threads);
        ASSERT_EQ(pn_attention_forward(context.get(), &op), PN_OK) << pn_last_error();
        ASSERT_EQ(pn_attention_backward(context.get(), &op, &g), PN_OK) << pn_last_error();
    }

    const int kv;
    Values q, k, v, dy, pk, pv, y, dq, dk, dv, dpk, dpv, lse;
    const bool prefixed;
    int rows[3][6];
    pn_attention op{};
    pn_attention_gradients g{};
};

using Table = std::vector<double>;

// What plain loops in double precision make of it.
class PlainLoops {
public:
    explicit PlainLoops(const Attention& attention)
        : a(attention),
          y(size(a.y)),
          dq(size(a.dq)),
          dk(size(a.dk)),
          dv(size(a.dv)),
          dpk(size(a.dpk)),
          dpv(size(a.dpv)) {
        for (const auto& row : a.rows)
            for (int head = 0; head < heads; head++)
                for (int i = 0; i < row[1]; i++) query(row, head, i);
    }

private:
    static Table size(const Values& x) { return Table(static_cast<std::size_t>(x.rows * x.columns)); }

    // Element d of key (or value) j of a sequence, its prefix in front.
    static double element(const Values& main, const Values& front, const int* row, int j, int column) {
        return j < row[5] ? front.at(row[4] + j, column) : main.at(row[2] + j - row[5], column);
    }
    static double& sum(Table& main, Table& front, int columns, const int* row, int j, int column) {
        return j < row[5] ? front[static_cast<std::size_t>((row[4] + j) * columns + column)]
                          : main[static_cast<std::size_t>((row[2] + j - row[5]) * columns + column)];
    }

    void query(const int* row, int head, int i) {
        const int m = row[0] + i, seen = row[5] + row[3] - row[1] + i + 1, from = head * dim,
                  shared = head / (heads / a.kv) * dim, width = a.kv * dim;
        Table p(static_cast<std::size_t>(seen)), dp(p.size());
        double top = -1e300, total = 0, delta = 0;
        for (int j = 0; j < seen; j++) {
            for (int d = 0; d < dim; d++) {
                p[static_cast<std::size_t>(j)] +=
                    a.op.scale * a.q.at(m, from + d) * element(a.k, a.pk, row, j, shared + d);
                dp[static_cast<std::size_t>(j)] += a.dy.at(m, from + d) * element(a.v, a.pv, row, j, shared + d);
            }
            top = std::max(top, p[static_cast<std::size_t>(j)]);
        }
        for (double& x : p) total += x = std::exp(x - top);
        for (std::size_t j = 0; j < p.size(); j++) delta += (p[j] /= total) * dp[j];
        for (int j = 0; j < seen; j++) {
            const double weight = p[static_cast<std::size_t>(j)],
                         ds = a.op.scale * weight * (dp[static_cast<std::size_t>(j)] - delta);
            for (int d = 0; d < dim; d++) {
                y[static_cast<std::size_t>(m * heads * dim + from + d)] +=
                    weight * element(a.v, a.pv, row, j, shared + d);
                dq[static_cast<std::size_t>(m * heads * dim + from + d)] += ds * element(a.k, a.pk, row, j, shared + d);
                sum(dk, dpk, width, row, j, shared + d) += ds * a.q.at(m, from + d);
                sum(dv, dpv, width, row, j, shared + d) += weight * a.dy.at(m, from + d);
            }
        }
    }

    const Attention& a;

public:
    Table y, dq, dk, dv, dpk, dpv;
};

void expect_near(const Values& x, const Table& expected, const char* name) {
    for (int i = 0; i < x.rows; i++)
        for (int j = 0; j < x.columns; j++)
            ASSERT_NEAR(x.at(i, j), expected[static_cast<std::size_t>(i * x.columns + j)], 3e-5)
                << name << " " << i << " " << j;
}

class LongAttention : public InstructionSets {};

TEST_P(LongAttention, equals_plain_loops) {
    for (const bool shared : {false, true}) {
        SCOPED_TRACE(shared ? "heads share keys and sequences a prefix" : "no head shares anything");
        Attention attention(PN_FLOAT32, shared ? 2 : heads, shared, 0);
        attention.run(GetParam(), 2);
        const PlainLoops expected(attention);
        expect_near(attention.y, expected.y, "y");
        expect_near(attention.dq, expected.dq, "dq");
        expect_near(attention.dk, expected.dk, "dk");
        expect_near(attention.dv, expected.dv, "dv");
        if (!shared) continue;
        expect_near(attention.dpk, expected.dpk, "dprefix k");
        expect_near(attention.dpv, expected.dpv, "dprefix v");
    }
}

TEST_P(LongAttention, gives_the_same_bits_for_any_number_of_threads) {
    for (const pn_type type : {PN_FLOAT32, PN_BFLOAT16})
        for (const bool shared : {false, true}) {
            SCOPED_TRACE(testing::Message() << (type == PN_BFLOAT16 ? "bf16" : "fp32") << (shared ? ", shared" : ""));
            const auto results = [&](int threads) {
                Attention a(type, shared ? 2 : heads, shared, 0.25f);
                a.run(GetParam(), threads);
                std::vector<unsigned char> all;
                for (const Values* x : {&a.y, &a.lse, &a.dq, &a.dk, &a.dv, &a.dpk, &a.dpv})
                    all.insert(all.end(), x->bytes.begin(), x->bytes.end());
                return all;
            };
            const auto alone = results(1);
            for (const int threads : {2, 3, 5}) EXPECT_TRUE(results(threads) == alone) << threads << " threads";
        }
}

FOR_ALL_INSTRUCTION_SETS(LongAttention);

}  // namespace
