using PeftNative.Formats.Json;
using PeftNative.Models;
using PeftNative.Models.Families;
using PeftNative.Models.Loading;
using PeftNative.Models.Steps;
using PeftNative.Ops;

namespace PeftNative.Tests.Models;

/// <summary>Random models with awkward sizes, one per family and task.</summary>
internal static class TinyModels
{
    internal static readonly Dictionary<string, string> Configs = new()
    {
        ["gpt2"] = """
            {"model_type": "gpt2", "n_embd": 12, "n_head": 3, "n_layer": 2, "n_inner": 15, "vocab_size": 17,
             "n_positions": 20, "initializer_range": 0.4}
            """,
        ["llama"] = """
            {"model_type": "llama", "hidden_size": 10, "num_attention_heads": 4, "num_key_value_heads": 2,
             "head_dim": 6, "intermediate_size": 13, "num_hidden_layers": 2, "vocab_size": 17,
             "max_position_embeddings": 32, "attention_bias": true, "mlp_bias": true, "tie_word_embeddings": true,
             "initializer_range": 0.4}
            """,
        ["llama-yarn"] = """
            {"model_type": "llama", "hidden_size": 8, "num_attention_heads": 2, "intermediate_size": 9,
             "num_hidden_layers": 1, "vocab_size": 17, "max_position_embeddings": 32, "initializer_range": 0.4,
             "rope_parameters": {"rope_type": "yarn", "factor": 4.0, "rope_theta": 1000.0,
             "original_max_position_embeddings": 8}}
            """,
        ["gemma"] = """
            {"model_type": "gemma", "hidden_size": 10, "num_attention_heads": 2, "num_key_value_heads": 1,
             "head_dim": 6, "intermediate_size": 13, "num_hidden_layers": 2, "vocab_size": 17,
             "max_position_embeddings": 32, "initializer_range": 0.4}
            """,
        ["phi"] = """
            {"model_type": "phi", "hidden_size": 12, "num_attention_heads": 2, "intermediate_size": 13,
             "num_hidden_layers": 2, "vocab_size": 17, "max_position_embeddings": 32, "partial_rotary_factor": 0.67,
             "qk_layernorm": true, "initializer_range": 0.4}
            """,
        ["granite"] = """
            {"model_type": "granite", "hidden_size": 10, "num_attention_heads": 2, "num_key_value_heads": 1,
             "head_dim": 6, "intermediate_size": 13, "num_hidden_layers": 2, "vocab_size": 17,
             "max_position_embeddings": 32, "attention_multiplier": 0.3, "embedding_multiplier": 1.7,
             "residual_multiplier": 0.6, "logits_scaling": 1.9, "tie_word_embeddings": true, "initializer_range": 0.4}
            """,
        ["olmo2"] = """
            {"model_type": "olmo2", "hidden_size": 10, "num_attention_heads": 4, "num_key_value_heads": 2,
             "head_dim": 6, "intermediate_size": 13, "num_hidden_layers": 2, "vocab_size": 17,
             "max_position_embeddings": 32, "initializer_range": 0.4}
            """,
        ["smollm3"] = """
            {"model_type": "smollm3", "hidden_size": 8, "num_attention_heads": 2, "intermediate_size": 9,
             "num_hidden_layers": 2, "vocab_size": 17, "max_position_embeddings": 32, "no_rope_layers": [0, 1],
             "use_sliding_window": true, "sliding_window": 2, "initializer_range": 0.4}
            """,
        ["hunyuan"] = """
            {"model_type": "hunyuan_v1_dense", "hidden_size": 8, "num_attention_heads": 2, "head_dim": 4,
             "intermediate_size": 9, "num_hidden_layers": 2, "vocab_size": 17, "max_position_embeddings": 32,
             "initializer_range": 0.4, "rope_scaling": {"rope_type": "dynamic", "alpha": 3.0, "factor": 1.0}}
            """,
        ["falcon"] = """
            {"model_type": "falcon", "hidden_size": 12, "num_attention_heads": 3, "ffn_hidden_size": 13,
             "num_hidden_layers": 2, "vocab_size": 17, "bias": true, "initializer_range": 0.4}
            """,
        ["t5"] = """
            {"model_type": "t5", "d_model": 12, "num_heads": 3, "d_kv": 5, "d_ff": 11, "num_layers": 2,
             "num_decoder_layers": 3, "vocab_size": 17, "relative_attention_num_buckets": 6,
             "relative_attention_max_distance": 9, "initializer_range": 0.4}
            """,
        ["t5-gated"] = """
            {"model_type": "t5", "d_model": 42, "num_heads": 3, "d_kv": 14, "d_ff": 75, "num_layers": 3,
             "vocab_size": 131, "relative_attention_num_buckets": 8, "relative_attention_max_distance": 16,
             "feed_forward_proj": "gated-gelu", "tie_word_embeddings": false, "decoder_start_token_id": 2,
             "initializer_range": 0.15}
            """,
        ["distilbert"] = """
            {"model_type": "distilbert", "dim": 12, "n_heads": 3, "n_layers": 2, "hidden_dim": 11, "vocab_size": 17,
             "max_position_embeddings": 20, "initializer_range": 0.4}
            """,
        ["bert"] = """
            {"model_type": "bert", "hidden_size": 12, "num_attention_heads": 3, "intermediate_size": 11,
             "num_hidden_layers": 2, "vocab_size": 17, "max_position_embeddings": 20, "type_vocab_size": 2,
             "initializer_range": 0.4}
            """,
    };

    internal static TransformerModel Create(IBackend backend, string family, ModelTask task,
        ProblemType? problem = null, int? end = null)
    {
        var json = StrictJson.ParseObject(System.Text.Encoding.UTF8.GetBytes(Configs[family]));
        var config = FamilyTable.Read(json) with
        {
            Task = task, ProblemType = problem, EosTokenIds = end is { } e ? [e] : [],
            Labels = [.. Enumerable.Range(0, problem == ProblemType.Regression ? 1 : 3).Select(i => $"L{i}")],
        };
        return ModelLoader.CreateRandom(backend, config, seed: 7);
    }

    /// <summary>
    /// Three sequences of unequal length, one with a gap in its positions; with an encoder, what that reads has other
    /// lengths.
    /// </summary>
    internal static TokenBatch Batch(TransformerModel? model = null) => new(
        [1, 5, 9, 16, 3, 2, 2, 8, 11, 4, 7], [0, 5, 6, 11], [0, 1, 2, 3, 4, 0, 0, 1, 3, 4, 5],
        model?.Config.TypeVocabularySize > 0 ? [0, 0, 1, 1, 1, 0, 0, 0, 0, 1, 1] : null)
    {
        Source = model?.Config.Encoder is null ? null
            : new TokenBatch([3, 3, 14, 6, 10, 1, 12, 15, 9, 4, 2, 13, 5], [0, 4, 11, 13]),
    };

    /// <summary>Targets that fit the task, with some tokens left out.</summary>
    internal static Targets Targets(TransformerModel model) => model switch
    {
        { Task: ModelTask.CausalLM } => PeftNative.Models.Targets.PerToken([1, 5, -100, 16, 3, 2, 2, 8, 11, -100, 7]),
        { Task: ModelTask.SequenceToSequence } =>
            PeftNative.Models.Targets.PerToken([5, 9, -100, 3, 2, 12, 8, 11, -100, 7, 15]),
        { Task: ModelTask.TokenClassification } =>
            PeftNative.Models.Targets.PerToken([0, 1, 2, -100, 0, 2, -100, 1, 1, 0, 2]),
        { Config.ProblemType: ProblemType.Regression } =>
            PeftNative.Models.Targets.PerOutput([0.3f, -1, 2], RegressionLoss.MeanSquaredError),
        { Config.ProblemType: ProblemType.MultiLabel } =>
            PeftNative.Models.Targets.PerOutput([1, 0, 1, 0, 0, 1, 1, 1, 0], RegressionLoss.BinaryCrossEntropy),
        _ => PeftNative.Models.Targets.PerSequence([2, 0, 1]),
    };

    /// <summary>The mean loss.</summary>
    internal static double Loss(ModelRun run, TokenBatch batch, bool training = false)
    {
        var targets = Targets(run.Model);
        if (training) run.Forward(batch, targets);
        else run.Forward(batch);
        return run.Loss(targets).Loss;
    }
}
