using PeftNative.Models;
using PeftNative.Peft.Adapters;
using PeftNative.Peft.Matching;
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
    public override Method Method => LoraMethod.Page;

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
    public override LoraConfig Complete(TransformerModel model)
    {
        LoraPatterns.CheckRanks(RankPattern);
        if (UseBias && (UseDora || Initialization == LoraInitialization.Gaussian))
            throw new UsageException(
                "lora_bias goes with init_lora_weights true or false and without use_dora, as in PEFT.",
                remedy: "Leave out one of the two.");
        var defaults = model.Family.Targets.Of(Method.Name);
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
}
