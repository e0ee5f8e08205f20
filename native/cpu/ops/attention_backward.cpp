// Backward of attention. Scores are computed again from Q, K and the saved log of the denominator. One task is one head of one
// sequence; it keeps its own gradients of keys and values, and writes them, or where heads share keys or sequences a prefix, leaves
// them to be added up in order afterwards.
#include <limits>

#include "gemm/pack.h"
#include "ops/attention.h"
#include "ops/ops.h"

namespace pn::PN_ISA {

namespace {

constexpr std::ptrdiff_t key_block = panel_width;

// A worker's memory for one strip of queries against one block of keys.
struct Block {
    alignas(64) float p[strip * key_block];             // probabilities with dropout, [query][key]
    alignas(64) float ds[strip * key_block];            // gradients of the scores before the cap
    alignas(64) float transposed_p[key_block * strip];  // [key][query]
    alignas(64) float transposed_ds[key_block * strip];
    alignas(64) float factors[key_block];
    alignas(64) float delta[strip];  // dY Y of each query
    std::ptrdiff_t ends[strip];      // keys of the block before the first that a query does not see
    float *q, *dy, *dq;              // the strip's Q, dY and dQ: [query][head_dim]
    float *turned_dy, *turned_y;     // [head_dim][query]
    float *key_panels, *value_panels, *key_rows;  // the head's keys and values
    float *dk, *dv;                               // and their gradients [key][head_dim], where no partials are left

    static std::ptrdiff_t floats(const AttentionPlan& plan) { return 5 * strip * plan.op.head_dim + 5 * plan.floats_of_a_head(); }

    void use(float* memory, const AttentionPlan& plan) {
        for (float** part : {&q, &dy, &dq, &turned_dy, &turned_y}) {
            *part = memory;
            memory += strip * plan.op.head_dim;
        }
        for (float** part : {&key_panels, &value_panels, &key_rows, &dk, &dv}) {
            *part = memory;
            memory += plan.floats_of_a_head();
        }
    }
};

// What the tasks of all heads leave behind, by task = sequence * heads + head. Absent where nothing is to be added up.
struct Partials {
    float *dk, *dv;  // [head][keys of all sequences, prefix in front][head_dim]
    float* dbias;    // [task][bucket]
};

template <class T>
class Backward {
public:
    Backward(const AttentionPlan& plan, const pn_attention_gradients& g, const Partials& partials, Block& block, std::ptrdiff_t task)
        : plan(plan), op(plan.op), g(g), q(plan.sequence(task / op.heads)), head(task % op.heads), alone(partials.dk == nullptr), b(block) {
        const std::ptrdiff_t offset = (head * plan.all_keys + q.before) * op.head_dim;
        dk = alone ? b.dk : partials.dk + offset;
        dv = alone ? b.dv : partials.dv + offset;
        dbias = partials.dbias == nullptr ? nullptr : partials.dbias + task * op.relative_bias.rows;
    }

    void run() {
        const std::ptrdiff_t kv = plan.kv_head(head);
        plan.turn_keys(op.k, op.prefix_k, q, kv, b.key_panels);
        plan.turn_keys(op.v, op.prefix_v, q, kv, b.value_panels);
        plan.copy_keys(op.k, op.prefix_k, q, kv, b.key_rows);
        clear(dk, q.total * op.head_dim);
        clear(dv, q.total * op.head_dim);
        if (dbias != nullptr) clear(dbias, op.relative_bias.rows);
        for (std::ptrdiff_t i = 0; i < q.queries; i += strip) strip_of_queries(i, smaller<std::ptrdiff_t>(strip, q.queries - i));
        if (!alone) return;
        write(dk, static_cast<float>(op.scale), g.dk);
        write(dv, 1.0f, g.dv);
    }

private:
    void write(const float* gradient, float scale, const pn_tensor& target) const {
        if (!present(target)) return;
        put_rows(row<T>(target, q.first_key) + head * op.kv_head_stride, target.stride, q.total, gradient, scale);
    }

    static void clear(float* p, std::ptrdiff_t count) { std::memset(p, 0, sizeof(float) * static_cast<std::size_t>(count)); }

    // Summed in the order in which the tiles sum dY V: where one key has all the weight, the two cancel without a rest.
    void deltas(std::ptrdiff_t i, std::ptrdiff_t count) {
        pack_panel(b.dy, op.head_dim, static_cast<int>(count), op.head_dim, b.turned_dy);
        pack_panel(row<T>(op.y, q.first_query + i) + head * op.head_dim, op.y.stride, static_cast<int>(count), op.head_dim, b.turned_y);
        for (std::ptrdiff_t r = 0; r < count; r += W) {
            F total = zero();
            for (std::ptrdiff_t d = 0; d < op.head_dim; d++) total = fma(load(b.turned_dy + d * strip + r), load(b.turned_y + d * strip + r), total);
            store(b.delta + r, total);
        }
    }

    void strip_of_queries(std::ptrdiff_t i, std::ptrdiff_t count) {
        copy_rows(row<T>(op.q, q.first_query + i) + head * op.head_stride, op.q.stride, count, op.head_dim, b.q);
        copy_rows(row<T>(g.dy, q.first_query + i) + head * op.head_dim, g.dy.stride, count, op.head_dim, b.dy);
        clear(b.dq, count * op.head_dim);
        deltas(i, count);
        const Range all = plan.seen(q, i, count);
        for (std::ptrdiff_t j = all.begin / panel_width * panel_width; j < all.end; j += key_block)
            block_of_keys(i, count, j, smaller(key_block, all.end - j));
        if (!present(g.dq)) return;
        put_rows(row<T>(g.dq, q.first_query + i) + head * op.head_stride, g.dq.stride, count, b.dq, static_cast<float>(op.scale));
    }

    void put_rows(T* to, std::ptrdiff_t stride, std::ptrdiff_t rows, const float* from, float factor) const {
        for (std::ptrdiff_t r = 0; r < rows; r++, to += stride, from += op.head_dim) {
            if (r + prefetched_rows < rows) prefetch_row(to + prefetched_rows * stride, op.head_dim);
            for_vectors(op.head_dim, [&](std::ptrdiff_t d, int n) { store(to + d, load(from + d, n) * set(factor), n); });
        }
    }

    void block_of_keys(std::ptrdiff_t i, std::ptrdiff_t count, std::ptrdiff_t j, std::ptrdiff_t width) {
        for (std::ptrdiff_t r = 0; r < count; r++)
            b.ends[r] = smaller(width, larger<std::ptrdiff_t>(0, plan.seen(q, i + r).end - j));
        for (std::ptrdiff_t r = 0; r < count; r += tile_rows) {
            const std::ptrdiff_t rows = smaller<std::ptrdiff_t>(tile_rows, count - r), end = b.ends[r + rows - 1];
            products(b.q, b.key_panels, r, rows, j, end, b.p);
            products(b.dy, b.value_panels, r, rows, j, end, b.ds);
            for (std::ptrdiff_t t = r; t < r + rows; t++) score_gradients(i, t, j, end, width);
        }
        transpose(b.p, key_block, count, width, 1.0f, b.transposed_p, strip);
        transpose(b.ds, key_block, count, width, 1.0f, b.transposed_ds, strip);
        add_products(b.transposed_p, width, b.dy, count, dv + j * op.head_dim);
        add_products(b.transposed_ds, width, b.q, count, dk + j * op.head_dim);
        if (present(g.dq)) add_keys(count, j);
    }

    // out[r + t][key] = row r + t of x times key j + key, for keys before `end`.
    void products(const float* x, const float* panels, std::ptrdiff_t r, std::ptrdiff_t rows, std::ptrdiff_t j, std::ptrdiff_t end, float* out) {
        for (std::ptrdiff_t c = 0; c < end; c += tile_columns) {
            const std::ptrdiff_t columns = smaller<std::ptrdiff_t>(tile_columns, end - c);
            const Segment segment{{x + r * op.head_dim, op.head_dim}, plan.panel(panels, j) + c, panel_width, op.head_dim};
            run_tile(&segment, 1, static_cast<int>(rows), static_cast<int>(columns), {out + r * key_block + c, key_block});
        }
    }

    // With p = e^(score - lse), m the dropout factors and c the slope of the cap: scores become p m, products dY V become
    // ds = p (m dY V - delta) c. Behind the keys [0, width) both are zero, up to the end of the block.
    void score_gradients(std::ptrdiff_t i, std::ptrdiff_t r, std::ptrdiff_t j, std::ptrdiff_t width, std::ptrdiff_t block_end) {
        float *scores = b.p + r * key_block, *slopes = b.ds + r * key_block;
        plan.finish_scores(q, head, i + r, j, width, scores);
        const float lse = row(op.log_sum_exp, q.first_query + i + r)[head];
        const bool blind = lse == -std::numeric_limits<float>::infinity();
        const bool dropping = op.dropout.probability > 0;
        if (dropping) plan.keep_factors(q, head, i + r, j, width, b.factors);
        const F by_cap = set(op.soft_cap > 0 ? static_cast<float>(1 / op.soft_cap) : 0.0f), delta = set(b.delta[r]);
        for_vectors(width, [&](std::ptrdiff_t c, int n) {
            const F score = load(scores + c, n);
            const F p = blind ? zero() : exp(score - set(lse));
            const F m = dropping ? load(b.factors + c, n) : set(1.0f);
            F ds = p * (m * load(slopes + c, n) - delta);
            if (op.soft_cap > 0) {
                const F t = max(score * by_cap, set(-1.0f));  // an unseen score is -infinity
                ds = ds * fnma(t, t, set(1.0f));
            }
            store(scores + c, keep(p * m, n));
            store(slopes + c, keep(ds, n));
        });
        for (std::ptrdiff_t c = ceil_div<std::ptrdiff_t>(width, W) * W; c < block_end; c += W) {
            store(scores + c, zero());
            store(slopes + c, zero());
        }
        if (dbias == nullptr) return;
        const std::ptrdiff_t distance = j - q.prefix - plan.position(q, i + r);
        for (std::ptrdiff_t c = 0; c < width; c++) dbias[plan.bucket(distance + c)] += slopes[c];
    }

    // sums[key][d] += sum over the strip's queries of left[key][query] * right[query][d]; the first queries may not see the keys.
    void add_products(const float* left, std::ptrdiff_t width, const float* right, std::ptrdiff_t count, float* sums) {
        std::ptrdiff_t first = 0;
        for (std::ptrdiff_t key = 0; key < width; key += tile_rows) {
            while (first < count && b.ends[first] <= key) first++;
            if (first == count) return;
            const Left rows{left + key * strip + first, strip};
            add_tiles(rows, smaller<std::ptrdiff_t>(tile_rows, width - key), right + first * op.head_dim, count - first, sums + key * op.head_dim);
        }
    }

    void add_keys(std::ptrdiff_t count, std::ptrdiff_t j) {
        const float* keys = plan.row_of(b.key_rows, j);
        for (std::ptrdiff_t r = 0; r < count; r += tile_rows) {
            const std::ptrdiff_t rows = smaller<std::ptrdiff_t>(tile_rows, count - r);
            add_tiles({b.ds + r * key_block, key_block}, rows, keys, b.ends[r + rows - 1], b.dq + r * op.head_dim);
        }
    }

    // sums[row][d] += left * right for all columns d of a head.
    void add_tiles(const Left& left, std::ptrdiff_t rows, const float* right, std::ptrdiff_t steps, float* sums) {
        for (std::ptrdiff_t d = 0; d < op.head_dim; d += tile_columns) {
            const std::ptrdiff_t columns = smaller<std::ptrdiff_t>(tile_columns, op.head_dim - d);
            const Segment segment{left, right + d, op.head_dim, steps};
            add_tile(segment, rows, columns, sums + d, op.head_dim);
        }
    }

    const AttentionPlan& plan;
    const pn_attention& op;
    const pn_attention_gradients& g;
    const Sequence& q;
    const std::ptrdiff_t head;
    const bool alone;  // nobody else has gradients of the same keys
    Block& b;
    float *dk, *dv, *dbias;
};

// Adds up the gradients of keys (or values) that the heads of a group computed: written for the sequence's own rows, added for
// prefix rows, sequence after sequence. Each worker owns some key/value heads.
void reduce(const AttentionPlan& plan, const float* partial, float scale, const pn_tensor& target, const pn_tensor& prefix_target) {
    if (!present(target) && !present(prefix_target)) return;
    const pn_attention& op = plan.op;
    const std::ptrdiff_t group = op.heads / op.kv_heads;
    for_rows(plan.context, op.kv_heads, static_cast<double>(plan.all_keys * op.head_dim * group), [&](std::ptrdiff_t kv) {
        for (std::ptrdiff_t s = 0; s < plan.sequences; s++) {
            const Sequence& q = plan.sequence(s);
            for (std::ptrdiff_t j = 0; j < q.total; j++) {
                const bool is_prefix = j < q.prefix;
                const pn_tensor& to_tensor = is_prefix ? prefix_target : target;
                if (!present(to_tensor)) continue;
                const std::ptrdiff_t first = is_prefix ? q.first_prefix + j : q.first_key + j - q.prefix;
                const std::ptrdiff_t column = kv * (is_prefix ? op.head_dim : op.kv_head_stride);
                const float* from = partial + (kv * group * plan.all_keys + q.before + j) * op.head_dim;
                with_element(to_tensor, [&](auto e) {
                    auto* to = row<decltype(e)>(to_tensor, first) + column;
                    for_vectors(op.head_dim, [&](std::ptrdiff_t d, int n) {
                        F total = load(from + d, n);
                        for (std::ptrdiff_t h = 1; h < group; h++) total += load(from + h * plan.all_keys * op.head_dim + d, n);
                        total = total * set(scale);
                        store(to + d, is_prefix ? load(to + d, n) + total : total, n);
                    });
                });
            }
        }
    });
}

void reduce_bias(const AttentionPlan& plan, const float* partial, const pn_tensor& target) {
    const std::ptrdiff_t heads = plan.op.heads, buckets = target.rows;
    for (std::ptrdiff_t s = 0; s < plan.sequences; s++)
        for (std::ptrdiff_t h = 0; h < heads; h++)
            for (std::ptrdiff_t k = 0; k < buckets; k++) row(target, k)[h] += partial[(s * heads + h) * buckets + k];
}

}  // namespace

void attention_backward(pn_context& context, const pn_attention& op, const pn_attention_gradients& g) {
    const AttentionPlan plan(context, op);
    const std::ptrdiff_t tasks = plan.sequences * op.heads, size = op.heads * plan.all_keys * op.head_dim;
    double steps = 0;
    bool shared = op.heads != op.kv_heads;
    for (std::ptrdiff_t s = 0; s < plan.sequences; s++) {
        const Sequence& q = plan.sequence(s);
        steps += static_cast<double>(q.queries * q.total) * op.heads * op.head_dim;
        shared = shared || q.prefix > 0;
    }
    Partials partials{};
    if (shared) partials = {context.workspace.floats(size), context.workspace.floats(size), nullptr};
    if (present(g.drelative_bias)) partials.dbias = context.workspace.floats(tasks * op.relative_bias.rows);

    const int workers = context.workers(steps, 1 << 16);
    char** blocks = context.own_bytes(workers, sizeof(Block));
    float** floats = context.own_floats(workers, Block::floats(plan));
    context.pool.run(workers, [&](int worker) {
        auto* block = reinterpret_cast<Block*>(blocks[worker]);
        block->use(floats[worker], plan);
        with_element(op.q, [&](auto e) {
            for (std::ptrdiff_t t; (t = context.pool.claim()) < tasks;) Backward<decltype(e)>(plan, g, partials, *block, t).run();
        });
    });
    if (shared) {
        reduce(plan, partials.dk, static_cast<float>(op.scale), g.dk, g.dprefix_k);
        reduce(plan, partials.dv, 1.0f, g.dv, g.dprefix_v);
    }
    if (partials.dbias != nullptr) reduce_bias(plan, partials.dbias, g.drelative_bias);
}

}  // namespace pn::PN_ISA
