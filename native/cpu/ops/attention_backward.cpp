// Backward of attention. Scores are computed again from Q, K and the saved log of the denominator. One task is one head
// of one sequence; it keeps its own gradients of keys and values, and writes them, or where heads share keys or
// sequences a prefix, leaves them to be added up in order afterwards.
#include "ops/attention_strip.h"
#include "ops/ops.h"

namespace pn::PN_ISA {

namespace {

constexpr std::ptrdiff_t key_block = panel_width;

// A worker's memory for one strip of queries and one block of keys.
struct Block {
    alignas(64) float p[key_block * strip];   // probabilities with dropout, [key][query]
    alignas(64) float ds[key_block * strip];  // gradients of the scores before the cap
    alignas(64) float factors[key_block * strip], factor_rows[key_block * strip];
    alignas(64) float delta[strip];               // dY Y of each query
    alignas(64) float log_sum_exp[strip];
    float *q, *dy;                                // the strip's Q and dY [query][head_dim]
    float *turned_q, *turned_dy, *turned_y, *dq;  // [head_dim][query]
    float *key_rows, *key_panels, *value_rows;    // the head's keys and values
    float *dk, *dv;                               // and their gradients [key][head_dim], where no partials are left

    static std::ptrdiff_t floats(const AttentionPlan& plan) {
        return 6 * strip * plan.op.head_dim + 5 * plan.floats_of_a_head();
    }

    void use(float* memory, const AttentionPlan& plan) {
        for (float** part : {&q, &dy, &turned_q, &turned_dy, &turned_y, &dq}) {
            *part = memory;
            memory += strip * plan.op.head_dim;
        }
        for (float** part : {&key_rows, &key_panels, &value_rows, &dk, &dv}) {
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

// sums[r * stride + column] += the products of a segment.
void add_tile(const Segment& segment, std::ptrdiff_t rows, std::ptrdiff_t columns, float* sums, std::ptrdiff_t stride) {
    const int down = static_cast<int>(rows), across = static_cast<int>(columns);
    if (across % W == 0) return run_tile(&segment, 1, down, across, {sums, stride, sums, stride});
    alignas(64) float tile[tile_rows * tile_columns];
    run_tile(&segment, 1, down, across, {tile});
    for (int r = 0; r < down; r++, sums += stride)
        for_vectors(across, [&](std::ptrdiff_t c, int n) {
            store(sums + c, load(sums + c, n) + load(tile + r * tile_columns + c), n);
        });
}

template <class T>
class Backward {
public:
    Backward(const AttentionPlan& plan, const pn_attention_gradients& g, const Partials& partials, Block& block,
             std::ptrdiff_t task)
        : plan(plan),
          op(plan.op),
          g(g),
          q(plan.sequence(task / op.heads)),
          head(task % op.heads),
          alone(partials.dk == nullptr),
          b(block) {
        const std::ptrdiff_t offset = (head * plan.all_keys + q.before) * op.head_dim;
        dk = alone ? b.dk : partials.dk + offset;
        dv = alone ? b.dv : partials.dv + offset;
        dbias = partials.dbias == nullptr ? nullptr : partials.dbias + task * op.relative_bias.rows;
    }

    void run() {
        const std::ptrdiff_t kv = plan.kv_head(head);
        plan.copy_keys<words>(op.k, op.prefix_k, q, kv, b.key_rows);
        plan.turn_keys(op.k, op.prefix_k, q, kv, b.key_panels);
        plan.copy_keys<words>(op.v, op.prefix_v, q, kv, b.value_rows);
        clear(dk, q.total * op.head_dim);
        clear(dv, q.total * op.head_dim);
        if (dbias != nullptr) clear(dbias, op.relative_bias.rows);
        for (std::ptrdiff_t i = 0; i < q.queries; i += strip)
            queries_from(AttentionStrip(plan, q, head, i, smaller<std::ptrdiff_t>(strip, q.queries - i)));
        if (!alone) return;
        write(dk, static_cast<float>(op.scale), g.dk);
        write(dv, 1.0f, g.dv);
    }

private:
    static constexpr Words words = attention_words<T>;

    void write(const float* gradient, float scale, const pn_tensor& target) const {
        if (!present(target)) return;
        put_rows(row<T>(target, q.first_key) + head * op.kv_head_stride, target.stride, q.total, gradient, scale);
    }

    static void clear(float* p, std::ptrdiff_t count) {
        std::memset(p, 0, sizeof(float) * static_cast<std::size_t>(count));
    }

    void queries_from(const AttentionStrip& queries) {
        const std::ptrdiff_t first = q.first_query + queries.first, count = queries.count, width = op.head_dim;
        const T *from = row<T>(op.q, first) + head * op.head_stride, *dy = row<T>(g.dy, first) + head * width,
                *y = row<T>(op.y, first) + head * width;
        copy_rows(from, op.q.stride, count, width, b.q, width);
        copy_rows(dy, g.dy.stride, count, width, b.dy, width);
        queries.turn<words>(from, op.q.stride, b.turned_q);
        queries.turn<words>(dy, g.dy.stride, b.turned_dy);
        queries.turn<words>(y, op.y.stride, b.turned_y);
        clear(b.dq, strip * width);
        deltas(queries);
        for (std::ptrdiff_t j = queries.keys.begin / panel_width * panel_width; j < queries.keys.end; j += key_block)
            block(queries, {j, smaller(queries.keys.end, j + key_block)});
        if (present(g.dq))
            transpose(b.dq, strip, width, count, static_cast<float>(op.scale),
                      row<T>(g.dq, first) + head * op.head_stride, g.dq.stride);
    }

    // Summed in the order in which the tiles sum dY V: where one key has all the
    // weight, the two cancel without a rest. A query that sees nothing gets +infinity
    // for its log of no denominator, with which all its probabilities are zero.
    void deltas(const AttentionStrip& queries) {
        for (std::ptrdiff_t c = 0; c < queries.columns; c += W) {
            F total = zero();
            for (std::ptrdiff_t d = c; d < plan.words_of_a_row(words) * strip; d += strip)
                total = multiply_add<words>(load(b.turned_y + d), load(b.turned_dy + d), total);
            store(b.delta + c, total);
        }
        for (std::ptrdiff_t i = 0; i < queries.columns; i++) {
            const float lse =
                i < queries.count ? row(op.log_sum_exp, q.first_query + queries.first + i)[head] : minus_infinity;
            b.log_sum_exp[i] = lse == minus_infinity ? -lse : lse;
        }
    }

    void put_rows(T* to, std::ptrdiff_t stride, std::ptrdiff_t rows, const float* from, float factor) const {
        for (std::ptrdiff_t r = 0; r < rows; r++, to += stride, from += op.head_dim) {
            if (r + prefetched_rows < rows) prefetch_row(to + prefetched_rows * stride, op.head_dim);
            for_vectors(op.head_dim,
                        [&](std::ptrdiff_t d, int n) { store(to + d, load(from + d, n) * set(factor), n); });
        }
    }

    void block(const AttentionStrip& queries, Range keys) {
        queries.products<words>(keys, b.key_rows, b.turned_q, b.p);
        queries.products<words>(keys, b.value_rows, b.turned_dy, b.ds);
        if (op.dropout.probability > 0) queries.keep_factors(keys, b.factor_rows, b.factors);
        for (std::ptrdiff_t c = 0; c < queries.columns; c += W) score_gradients(queries, keys, c);
        if (dbias != nullptr) add_to_buckets(queries, keys);
        add_queries(queries, keys, b.p, b.dy, dv);
        add_queries(queries, keys, b.ds, b.q, dk);
        if (present(g.dq)) queries.add_keys(keys, b.key_panels, b.ds, b.dq);
    }

    // With p = e^(score - lse), m the dropout factors and c the slope of the
    // cap: scores become p m, products dY V become ds = p (m dY V - delta) c.
    void score_gradients(const AttentionStrip& queries, Range keys, std::ptrdiff_t column) {
        const F lse = load(b.log_sum_exp + column), delta = load(b.delta + column);
        const F by_cap = set(op.soft_cap > 0 ? static_cast<float>(1 / op.soft_cap) : 0.0f);
        const bool dropping = op.dropout.probability > 0, capped = op.soft_cap > 0;
        queries.for_scores(keys, column, b.p, [&](std::ptrdiff_t key, F score) {
            const std::ptrdiff_t at = (key - keys.begin) * strip + column;
            const F p = exp(score - lse), m = dropping ? load(b.factors + at) : set(1.0f);
            F ds = p * (m * load(b.ds + at) - delta);
            if (capped) {
                const F t = max(score * by_cap, set(-1.0f));  // an unseen score is -infinity
                ds = ds * fnma(t, t, set(1.0f));
            }
            store(b.p + at, p * m);
            store(b.ds + at, ds);
        });
    }

    // Only what the vectors of a piece hold has been computed.
    void add_to_buckets(const AttentionStrip& queries, Range keys) {
        queries.for_pieces(keys, [&](Range piece, std::ptrdiff_t c) {
            for (std::ptrdiff_t key = piece.begin; key < piece.end; key++) {
                const float* ds = b.ds + (key - keys.begin) * strip;
                const std::ptrdiff_t distance = key - q.prefix - plan.position(q, queries.first);
                for (std::ptrdiff_t i = c; i < queries.count; i++) dbias[plan.bucket(distance - i)] += ds[i];
            }
        });
    }

    // sums[key][d] += sum over the queries of weights[key][query] * right[query][d].
    void add_queries(const AttentionStrip& queries, Range keys, const float* weights, const float* right, float* sums) {
        queries.for_pieces(keys, [&](Range piece, std::ptrdiff_t c) {
            for (std::ptrdiff_t key = piece.begin; key < piece.end; key += tile_rows) {
                const Left left{weights + (key - keys.begin) * strip + c, strip};
                add_tiles(left, smaller<std::ptrdiff_t>(tile_rows, piece.end - key), right + c * op.head_dim,
                          queries.count - c, sums + key * op.head_dim);
            }
        });
    }

    // sums[row][d] += left * right for all columns d of a head.
    void add_tiles(const Left& left, std::ptrdiff_t rows, const float* right, std::ptrdiff_t steps, float* sums) {
        for (std::ptrdiff_t d = 0, columns; d < op.head_dim; d += columns) {
            columns = smaller<std::ptrdiff_t>(tile_columns, panel_columns(op.head_dim - d));
            add_tile({left, right + d, op.head_dim, steps}, rows, columns, sums + d, op.head_dim);
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

// Adds up the gradients of keys (or values) that the heads of a group computed: written for the sequence's own rows,
// added for prefix rows, sequence after sequence. Each worker owns some key/value heads.
void reduce(const AttentionPlan& plan, const float* partial, float scale, const pn_tensor& target,
            const pn_tensor& prefix_target) {
    if (!present(target) && !present(prefix_target)) return;
    const pn_attention& op = plan.op;
    const std::ptrdiff_t group = op.heads / op.kv_heads;
    for_rows(plan.context, op.kv_heads, static_cast<double>(plan.all_keys * op.head_dim * group),
             [&](std::ptrdiff_t kv) {
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
                                 for (std::ptrdiff_t h = 1; h < group; h++)
                                     total += load(from + h * plan.all_keys * op.head_dim + d, n);
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
            for (std::ptrdiff_t t; (t = context.pool.claim()) < tasks;)
                Backward<decltype(e)>(plan, g, partials, *block, t).run();
        });
    });
    if (shared) {
        reduce(plan, partials.dk, static_cast<float>(op.scale), g.dk, g.dprefix_k);
        reduce(plan, partials.dv, 1.0f, g.dv, g.dprefix_v);
    }
    if (partials.dbias != nullptr) reduce_bias(plan, partials.dbias, g.drelative_bias);
}

}  // namespace pn::PN_ISA
