using PeftNative.Formats.Json;
using PeftNative.Formats.Safetensors;
using PeftNative.Models;
using PeftNative.Peft.Adapters;
using PeftNative.Peft.Lora.Combining;
using PeftNative.Peft.Lora.Export;
using PeftNative.Peft.Lora.Mlx;
using PeftNative.Peft.Matching;
using PeftNative.Peft.Tokens;

namespace PeftNative.Peft.Lora;

/// <summary>
/// LoRA (Hu et al. 2021, arXiv:2106.09685): W x + scale · B A x; with magnitudes DoRA (Liu et al. 2024,
/// arXiv:2402.09353), with another scale rsLoRA (Kalajdzievski 2023, arXiv:2312.03732).
/// </summary>
internal sealed class LoraMethod() : Method<LoraConfig>("lora", "LORA", "LoRA")
{
    private const string Dora = "use_dora";

    private static readonly KeysOf<LoraConfig> Key = new();

    internal static readonly LoraMethod Page = new()
    {
        // Encoder: the paper, table 9, 4e-4 to 5e-4 with RoBERTa base; measured, 1e-3 at 384. Decoder: Dettmers et al.
        // 2023 (arXiv:2305.14314), 2e-4 at 4096 and 5120, 1e-4 at 8192; all linear layers are theirs too.
        TrainRates = new(5e-4, 1e-3, GoByWidth: true), ComparedRate = 5e-4,
        Compared = new LoraConfig { R = 8, Alpha = 16, Targets = new TargetModules(null, "all-linear") },
        Presets = [new("dora", new() { [Dora] = true })],
        NamedParts = ["lora_A", "lora_B", "lora_embedding_A", "lora_embedding_B", LoraAdapter.DoraPart,
            TokenIndices.Part],
        Exports =
        [
            new("gguf-lora", "a file for llama.cpp's --lora", (adapter, path, half) =>
                (GgufLora.Write((LoraAdapter)adapter, path, half), With(adapter))) { TakesType = true },
            new("mlx", "a folder for mlx-lm", (adapter, path, _) =>
                (MlxLora.Write((LoraAdapter)adapter, path), With(adapter))),
        ],
        Combine = (adapters, weights, options, name) =>
            LoraCombiner.Combine([.. adapters.Cast<LoraAdapter>()], weights, options, name),
        Keys =
        [
            Key.Whole("r", c => c.R, (c, v) => c with { R = v }, "Rank.")
                with { Aliases = ["lora_r", "lora_rank", "rank"], Least = 1, Most = LoraPatterns.MostRank },
            Key.Number("lora_alpha", c => c.Alpha, (c, v) => c with { Alpha = v },
                "The low-rank product is scaled by lora_alpha / r.")
                with { Write = c => ConfigKey.AsWhole(c.Alpha) },
            Key.Number("lora_dropout", c => c.Dropout, (c, v) => c with { Dropout = v },
                "Dropout on the input of the low-rank pair.") with { Least = 0, Below = 1 },
            Key.Targets(c => c.Targets, (c, v) => c with { Targets = v }),
            Key.Exclude(c => c.Exclude, (c, v) => c with { Exclude = v }),
            Key.ModulesToSave(),
            Key.Choice("bias", c => c.Bias, (c, v) => c with { Bias = v }, "Which biases are trained.",
                ("none", BiasTraining.None), ("all", BiasTraining.All), ("lora_only", BiasTraining.LoraOnly)),
            Key.Switch("lora_bias", c => c.UseBias, (c, v) => c with { UseBias = v },
                "The low-rank product has a bias of its own."),
            Key.Switch(Dora, c => c.UseDora, (c, v) => c with { UseDora = v }, "Magnitude and direction apart."),
            Key.Switch("use_rslora", c => c.UseRsLora, (c, v) => c with { UseRsLora = v },
                "Scale by lora_alpha / sqrt(r)."),
            Key.Switch("ensure_weight_tying", c => c.EnsureWeightTying, (c, v) => c with { EnsureWeightTying = v },
                "A trained embed_tokens and lm_head stay tied, where they are."),
            Key.Of(TokenIndices.Key, KeyKind.WholesOrMap,
                "Ids of tokens whose own embeddings are trained; a tied head follows.",
                TokenIndices.Read, (c, v) => c with { TrainableTokens = v }, c => c.TrainableTokens?.ToJson()),
            Key.Of("rank_pattern", KeyKind.Map, "Another r for modules that a pattern names.",
                json => LoraPatterns.ReadRanks(json, "rank_pattern"), (c, v) => c with { RankPattern = v },
                c => LoraPatterns.ToJson(c.RankPattern)) with { ValueName = "JSON" },
            Key.Of("alpha_pattern", KeyKind.Map, "Another lora_alpha for modules that a pattern names.",
                json => LoraPatterns.Read(json, "alpha_pattern"), (c, v) => c with { AlphaPattern = v },
                c => LoraPatterns.ToJson(c.AlphaPattern)) with { ValueName = "JSON" },
            Key.Of("layers_to_transform", KeyKind.Wholes, "Only these layers, from 0.",
                LoraKeys.ReadLayers, (c, v) => c with { Layers = v }, c => ConfigKey.List(c.Layers)),
            Key.Of("layers_pattern", KeyKind.Names, "What stands before the layer number in names.",
                LoraKeys.ReadLayersPattern, (c, v) => c with { LayersPattern = v },
                c => ConfigKey.List(c.LayersPattern)),
            Key.Of("init_lora_weights", KeyKind.SwitchOrText, "True, gaussian, or false for both random.",
                LoraKeys.ReadInitialization, (c, v) => c with { Initialization = v }, LoraKeys.WriteInitialization)
                with { ValueName = "true|false|gaussian" },
            Key.FanInFanOut(c => c.FanInFanOut, (c, v) => c with { FanInFanOut = v }),
            Key.Unused("arrow_config"),
            Key.Unused("corda_config"),
            Key.Unused("eva_config"),
            Key.Unused("kasa_config"),
            Key.Unused("layer_replication"),
            Key.Unused("monteclora_config"),
            Key.Unused("use_bdlora"),
            Key.Unused("velora_config"),
            Key.Unused("alora_invocation_tokens"),
            Key.Unused("loftq_config", "{}"),
            Key.Unused("lora_ga_config"),
            Key.Unused("target_parameters"),
            Key.Unused("use_qalora", "false"),
            Key.OfOtherRelease("enable_lora"),
            Key.Ignored("megatron_config"),
            Key.Ignored("megatron_core", "\"megatron.core\""),
            Key.Ignored("qalora_group_size", "16"),
        ],
        Create = (model, config, start) => new LoraAdapter(model, config, start),
    };

    /// <inheritdoc/>
    public override bool Recognises(StrictObject json) => base.Recognises(json) || MlxLoraSettings.Are(json);

    /// <inheritdoc/>
    public override AdapterConfig Read(StrictObject json) =>
        MlxLoraSettings.Are(json) ? MlxLoraSettings.Read(json) : base.Read(json);

    /// <inheritdoc/>
    internal override TensorFile? OpenForeign(string folder, TransformerModel model) =>
        AdapterFiles.Find(folder, AdapterFiles.Weights) is null
        && Path.Combine(folder, MlxLoraSettings.Weights) is var path && File.Exists(path)
            ? MlxLoraFile.Open(path, model) : null;

    private static string With(Adapter adapter) => $"r {((LoraConfig)adapter.Config).R}";
}
