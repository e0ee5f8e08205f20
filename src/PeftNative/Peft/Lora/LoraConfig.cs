using System.Text.Json.Nodes;
using PeftNative.Formats;
using PeftNative.Models;
using PeftNative.Peft.Tokens;

namespace PeftNative.Peft.Lora;

/// <summary>How LoRA's matrices start.</summary>
public enum LoraInitialization
{
    /// <summary>A uniform in ±1/√in, B zero: the adapter changes nothing at first (init_lora_weights true).</summary>
    Default,

    /// <summary>A normal with deviation 1/r, B zero ("gaussian").</summary>
    Gaussian,

    /// <summary>Both random (init_lora_weights false); for tests.</summary>
    Random,
}

/// <summary>Which biases of the base LoRA trains along.</summary>
public enum BiasTraining
{
    /// <summary>None.</summary>
    None,

    /// <summary>All of the model.</summary>
    All,

    /// <summary>Those of the targeted layers.</summary>
    LoraOnly,
}

/// <summary>
/// LoRA's settings under PEFT's names (Hu et al. 2021, arXiv:2106.09685; rsLoRA: Kalajdzievski 2023, arXiv:2312.03732;
/// DoRA: Liu et al. 2024, arXiv:2402.09353).
/// </summary>
public sealed record LoraConfig : AdapterConfig
{
    /// <inheritdoc/>
    public override string PeftType => "LORA";

    /// <summary>r: the rank.</summary>
    public int R { get; init; } = 8;

    /// <summary>lora_alpha: numerator of the scale.</summary>
    public double Alpha { get; init; } = 8;

    /// <summary>lora_dropout: on the input of A, while training.</summary>
    public double Dropout { get; init; }

    /// <summary>use_rslora: scale alpha / √r instead of alpha / r.</summary>
    public bool UseRsLora { get; init; }

    /// <summary>use_dora: train magnitude and direction apart.</summary>
    public bool UseDora { get; init; }

    /// <summary>lora_bias: B has a bias, which is scaled like the product.</summary>
    public bool UseBias { get; init; }

    /// <summary>target_modules; null for the family's default.</summary>
    public TargetModules? Targets { get; init; }

    /// <summary>exclude_modules.</summary>
    public TargetModules? Exclude { get; init; }

    /// <summary>rank_pattern: regular expression to rank, the first that fits a module counts.</summary>
    public IReadOnlyList<(string Pattern, double Value)> RankPattern { get; init; } = [];

    /// <summary>alpha_pattern: likewise for lora_alpha.</summary>
    public IReadOnlyList<(string Pattern, double Value)> AlphaPattern { get; init; } = [];

    /// <summary>layers_to_transform; null for all.</summary>
    public IReadOnlyList<int>? Layers { get; init; }

    /// <summary>layers_pattern.</summary>
    public IReadOnlyList<string>? LayersPattern { get; init; }

    /// <summary>bias.</summary>
    public BiasTraining Bias { get; init; }

    /// <summary>init_lora_weights.</summary>
    public LoraInitialization Initialization { get; init; }

    /// <summary>fan_in_fan_out as the file says; corrected from the model on creation.</summary>
    public bool FanInFanOut { get; init; }

    /// <summary>
    /// ensure_weight_tying: a tied embedding and head that are trained stay tied. As in PEFT it acts on modules of the
    /// names embed_tokens and lm_head only; see <see cref="Lora.WeightTying"/>.
    /// </summary>
    public bool EnsureWeightTying { get; init; }

    /// <summary>trainable_token_indices: tokens whose rows are trained; null for none.</summary>
    public TokenIndices? TrainableTokens { get; init; }

    /// <inheritdoc/>
    internal override IEnumerable<int> TokensOfItsOwn => TrainableTokens?.All ?? [];

    /// <summary>Rank at a module.</summary>
    public int RankOf(string path) => (int)LoraPatterns.Pick(RankPattern, path, R);

    /// <summary>The factor on B A at a module.</summary>
    public double ScaleOf(string path)
    {
        double alpha = LoraPatterns.Pick(AlphaPattern, path, Alpha), r = RankOf(path);
        return alpha / (UseRsLora ? Math.Sqrt(r) : r);
    }

    /// <inheritdoc/>
    public override Adapter Create(TransformerModel model, ulong seed, bool trainable, string name) =>
        new LoraAdapter(model, Complete(model), seed, trainable, name);

    /// <summary>The settings with everything filled in that depends on the model.</summary>
    public LoraConfig Complete(TransformerModel model)
    {
        if (R is < 1 or > LoraPatterns.MostRank)
            throw new UsageException($"r must be between 1 and {LoraPatterns.MostRank}, not {R}.");
        LoraPatterns.CheckRanks(RankPattern);
        if (!(Dropout is >= 0 and < 1))
            throw new UsageException($"lora_dropout must be at least 0 and less than 1, not {Dropout}.");
        if (UseBias && (UseDora || Initialization == LoraInitialization.Gaussian))
            throw new UsageException(
                "lora_bias goes with init_lora_weights true or false and without use_dora, as in PEFT.",
                remedy: "Leave out one of the two.");
        if (!double.IsFinite(Alpha)) throw new UsageException($"lora_alpha must be a finite number, not {Alpha}.");
        var defaults = model.Family.Targets.Of("lora");
        if (Targets is null && defaults.Count == 0)
            throw new UsageException($"LoRA has no default target_modules for {model.Config.ModelType}.",
                remedy: "Give --target_modules, e.g. all-linear.");
        var saved = ModulesToSaveFor(model);
        return WeightTying.Complete(model, this with
        {
            Targets = Targets ?? TargetModules.Of(defaults),
            ModulesToSave = saved.Count > 0 ? saved : null,
            TaskType = TaskTypeFor(model),
        });
    }

    /// <summary>Reads a parsed adapter_config.json.</summary>
    /// <exception cref="ModelFormatException">A key has the wrong type, or asks for something that would change the
    /// result and is not supported.</exception>
    public static LoraConfig FromJson(StrictObject json)
    {
        return new LoraConfig
        {
            IgnoredKeys = UnknownKeys(json, LoraKeys.Known, LoraKeys.Unsupported),
            BaseModel = json.GetOptionalString("base_model_name_or_path"),
            Revision = json.GetOptionalString("revision"),
            TaskType = json.GetOptionalString("task_type"),
            ModulesToSave = ReadModulesToSave(json),
            R = json.GetInt("r", 8),
            Alpha = json.GetDouble("lora_alpha", 8),
            Dropout = json.GetDouble("lora_dropout", 0),
            UseRsLora = json.GetBool("use_rslora", false),
            UseDora = json.GetBool("use_dora", false),
            UseBias = json.GetBool("lora_bias", false),
            Targets = TargetModules.Read(json, "target_modules"),
            Exclude = TargetModules.Read(json, "exclude_modules"),
            RankPattern = LoraPatterns.ReadRanks(json, "rank_pattern"),
            AlphaPattern = LoraPatterns.Read(json, "alpha_pattern"),
            Layers = LoraKeys.ReadLayers(json),
            LayersPattern = TargetModules.Read(json, "layers_pattern") is { } p ? p.Names ?? [p.Pattern!] : null,
            Bias = LoraKeys.ReadBias(json),
            Initialization = LoraKeys.ReadInitialization(json),
            FanInFanOut = json.GetBool("fan_in_fan_out", false),
            EnsureWeightTying = json.GetBool("ensure_weight_tying", false),
            TrainableTokens = TokenIndices.Read(json),
        };
    }

    /// <inheritdoc/>
    public override JsonObject ToJson()
    {
        var json = CommonJson();
        foreach (var key in LoraKeys.NullKeys) json[key] = null;
        foreach (var key in LoraKeys.FalseKeys) json[key] = false;
        json["ensure_weight_tying"] = EnsureWeightTying;
        json["alpha_pattern"] = LoraPatterns.ToJson(AlphaPattern);
        json["bias"] = Bias switch { BiasTraining.All => "all", BiasTraining.LoraOnly => "lora_only", _ => "none" };
        json["exclude_modules"] = Exclude?.ToJson();
        json["fan_in_fan_out"] = FanInFanOut;
        json["init_lora_weights"] = Initialization switch
        {
            LoraInitialization.Gaussian => "gaussian",
            LoraInitialization.Random => false,
            _ => (JsonNode)true,
        };
        json["layers_pattern"] = ListJson(LayersPattern);
        json["layers_to_transform"] = Layers is null ? null : new JsonArray([.. Layers.Select(i => (JsonNode)i)]);
        json["loftq_config"] = new JsonObject();
        json["lora_alpha"] = LoraKeys.Number(Alpha);
        json["lora_bias"] = UseBias;
        json["lora_dropout"] = Dropout;
        json["megatron_core"] = "megatron.core";
        json["modules_to_save"] = ListJson(ModulesToSave);
        json["qalora_group_size"] = 16;
        json["r"] = R;
        json["rank_pattern"] = LoraPatterns.ToJson(RankPattern);
        json["target_modules"] = Targets?.ToJson();
        json[TokenIndices.Key] = TrainableTokens?.ToJson();
        json["use_dora"] = UseDora;
        json["use_rslora"] = UseRsLora;
        return json;
    }
}
