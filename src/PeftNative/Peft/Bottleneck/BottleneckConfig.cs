using PeftNative.Models;
using PeftNative.Peft.Adapters;

namespace PeftNative.Peft.Bottleneck;

/// <summary>How a bottleneck's output is weighed: by a number, or by trained values.</summary>
public enum BottleneckScaling
{
    /// <summary>By <see cref="BottleneckConfig.Scaling"/>.</summary>
    Fixed,

    /// <summary>By one trained value ("learned").</summary>
    Learned,

    /// <summary>By one trained value per feature ("channel").</summary>
    Channel,
}

/// <summary>How a bottleneck's matrices start.</summary>
public enum BottleneckInitialization
{
    /// <summary>Normal with deviation 0.02: nearly the identity ("bert").</summary>
    Bert,

    /// <summary>Down uniform within ± 1/√D, up zero: the identity ("mam_adapter").</summary>
    MamAdapter,

    /// <summary>Normal with deviation 0.01, cut off at 0.02 ("houlsby").</summary>
    Houlsby,
}

/// <summary>
/// Settings of bottleneck adapters under AdapterHub's names (Houlsby et al. 2019, arXiv:1902.00751; Pfeiffer et al.
/// 2020, arXiv:2005.00247; parallel: He et al. 2021, arXiv:2110.04366). The defaults are those of "pfeiffer".
/// </summary>
public sealed record BottleneckConfig : AdapterConfig
{
    /// <inheritdoc/>
    public override Method Method => BottleneckMethod.Page;

    /// <summary>mh_adapter: one after attention.</summary>
    public bool AfterAttention { get; init; }

    /// <summary>output_adapter: one after the feed-forward block.</summary>
    public bool AfterFeedForward { get; init; } = true;

    /// <summary>reduction_factor: the width is D divided by it, rounded down, at least 1.</summary>
    public double ReductionFactor { get; init; } = 16;

    /// <summary>reduction_factor by layer; the others have <see cref="ReductionFactor"/>.</summary>
    public IReadOnlyDictionary<int, double> LayerReductionFactors { get; init; } = new Dictionary<int, double>();

    /// <summary>non_linearity, by its name.</summary>
    public string NonLinearity { get; init; } = "relu";

    /// <summary>
    /// original_ln_before: the input is the norm of the sub-block's sum (where the model has a norm there), not the
    /// bare output.
    /// </summary>
    public bool NormBefore { get; init; } = true;

    /// <summary>
    /// residual_before_ln: the output is added to the sub-block's bare output, not to the bottleneck's input.
    /// </summary>
    public bool ResidualBeforeNorm { get; init; } = true;

    /// <summary>is_parallel: the input is the sub-block's residual input.</summary>
    public bool IsParallel { get; init; }

    /// <summary>scaling, when it is a number.</summary>
    public double Scaling { get; init; } = 1;

    /// <summary>scaling: what kind.</summary>
    public BottleneckScaling ScalingKind { get; init; }

    /// <summary>dropout on the output, while training.</summary>
    public double Dropout { get; init; }

    /// <summary>leave_out: layers without adapters.</summary>
    public IReadOnlyList<int> LeaveOut { get; init; } = [];

    /// <summary>init_weights.</summary>
    public BottleneckInitialization Initialization { get; init; }

    /// <summary>name: what the adapter is called in its files' keys; null for the name it is created under.</summary>
    public string? AdapterName { get; init; }

    /// <summary>model_name as the file says.</summary>
    public string? ModelName { get; init; }

    /// <summary>"houlsby": after attention and after the feed-forward block.</summary>
    public static BottleneckConfig Houlsby { get; } = new() { AfterAttention = true, NormBefore = false,
        NonLinearity = "swish" };

    /// <summary>"pfeiffer": after the feed-forward block alone.</summary>
    public static BottleneckConfig Pfeiffer { get; } = new();

    /// <summary>"parallel": beside the feed-forward block.</summary>
    public static BottleneckConfig Parallel { get; } = new()
    {
        IsParallel = true, NormBefore = false, ReductionFactor = 2, Scaling = 4,
        Initialization = BottleneckInitialization.MamAdapter,
    };

    /// <summary>Width of the bottleneck in a layer.</summary>
    public int WidthOf(int layer, int hidden) =>
        Math.Max(1, (int)Math.Floor(hidden / LayerReductionFactors.GetValueOrDefault(layer, ReductionFactor)));

    /// <inheritdoc/>
    internal override AdapterConfig OnBase(string name) => this with { BaseModel = name, ModelName = name };

    /// <inheritdoc/>
    public override BottleneckConfig Complete(TransformerModel model)
    {
        var folder = model.Folder is { } path ? Path.GetFileName(Path.TrimEndingDirectorySeparator(path)) : null;
        return this with { TaskType = TaskTypeFor(model), ModelName = ModelName ?? BaseModel ?? folder };
    }
}
