using System.Text.Json.Nodes;
using PeftNative.Formats.Json;
using PeftNative.Peft.Adapters;

namespace PeftNative.Peft.Bottleneck;

/// <summary>
/// Bottleneck adapters (Houlsby et al. 2019, arXiv:1902.00751; Pfeiffer et al. 2020, arXiv:2005.00247; parallel: He et
/// al. 2021, arXiv:2110.04366): down to a few features, an activation, up again. The files are AdapterHub's, which has
/// the method's settings in an object "config" and says of itself no peft_type.
/// </summary>
internal sealed class BottleneckMethod() : Method<BottleneckConfig>("bottleneck", "BOTTLENECK", "Bottleneck")
{
    private const string NormBefore = "original_ln_before", Architecture = "architecture";

    // What AdapterHub says around the settings.
    private static readonly string[] Around =
        ["config", "hidden_size", "model_class", "model_name", "model_type", "name", "version"];

    private static readonly KeysOf<BottleneckConfig> Key = new();

    internal static readonly BottleneckMethod Page = new()
    {
        IsMergeable = false,
        // Measured, 1e-3 at 384; Pfeiffer et al. use 1e-4, Houlsby et al. search 3e-5 to 3e-3.
        TrainRates = new(5e-4, 5e-4, GoByWidth: true), ComparedRate = 5e-4,
        Compared = BottleneckConfig.Houlsby, Releases = $"AdapterHub's adapters up to {BottleneckKeys.Release}",
        Files =
        [
            AdapterFiles.Weights,
            new(BottleneckAdapter.AdapterFile, "pytorch_adapter.bin"),
            new(BottleneckAdapter.HeadFile, "pytorch_model_head.bin"),
        ],
        Keys =
        [
            Key.Switch("mh_adapter", c => c.AfterAttention, (c, v) => c with { AfterAttention = v },
                "One after attention."),
            Key.Switch("output_adapter", c => c.AfterFeedForward, (c, v) => c with { AfterFeedForward = v },
                "One after the feed-forward block."),
            Key.Of("reduction_factor", KeyKind.Number, "The model's width divided by its own.",
                BottleneckKeys.ReadReduction,
                (c, v) => c with { ReductionFactor = v.Factor, LayerReductionFactors = v.ByLayer },
                BottleneckKeys.WriteReduction)
                with { Least = 1e-3, Numbers = c => [c.ReductionFactor, .. c.LayerReductionFactors.Values] },
            Key.Text("non_linearity", c => c.NonLinearity, (c, v) => c with { NonLinearity = v },
                "Relu, gelu, swish, tanh, ...") with { ValueName = "NAME" },
            Key.Switch(NormBefore, c => c.NormBefore, (c, v) => c with { NormBefore = v },
                "Behind the model's own norm."),
            Key.Switch("residual_before_ln", c => c.ResidualBeforeNorm, (c, v) => c with { ResidualBeforeNorm = v },
                "Add the output before that norm."),
            Key.Switch("is_parallel", c => c.IsParallel, (c, v) => c with { IsParallel = v },
                "Beside the block instead of behind it."),
            Key.Of("scaling", KeyKind.NumberOrText, "Factor of the output.", BottleneckKeys.ReadScaling,
                (c, v) => c with { Scaling = v.Scaling, ScalingKind = v.Kind }, BottleneckKeys.WriteScaling)
                with { ValueName = "X|learned|channel", Numbers = c => [c.Scaling] },
            Key.Number("dropout", c => c.Dropout, (c, v) => c with { Dropout = v }, "Dropout on the output.")
                with { Least = 0, Below = 1 },
            Key.Wholes("leave_out", c => c.LeaveOut, (c, v) => c with { LeaveOut = v }, "Layers without one."),
            Key.Choice("init_weights", c => c.Initialization, (c, v) => c with { Initialization = v },
                "Bert, mam_adapter or houlsby.", ("bert", BottleneckInitialization.Bert),
                ("mam_adapter", BottleneckInitialization.MamAdapter), ("houlsby", BottleneckInitialization.Houlsby))
                with { ValueName = "NAME" },
            Key.Unused("adapter_residual_before_ln", "false"),
            Key.Unused("cross_adapter", "false"),
            Key.Unused("inv_adapter"),
            Key.Unused("ln_after", "false"),
            Key.Unused("ln_before", "false"),
            Key.Unused("original_ln_after", "true"),
            Key.Unused("phm_layer", "false"),
            Key.Unused("stochastic_depth", "0.0"),
            Key.Unused("use_gating", "false"),
            Key.Ignored("factorized_phm_W", "true"),
            Key.Ignored("factorized_phm_rule", "false"),
            Key.Ignored("hypercomplex_nonlinearity", "\"glorot-uniform\""),
            Key.Ignored("init_weights_seed"),
            Key.Ignored("inv_adapter_reduction_factor"),
            Key.Ignored("learn_phm", "true"),
            Key.Ignored("phm_bias", "true"),
            Key.Ignored("phm_c_init", "\"normal\""),
            Key.Ignored("phm_dim", "4"),
            Key.Ignored("phm_init_range", "0.0001"),
            Key.Ignored("phm_rank", "1"),
            Key.Ignored("shared_W_phm", "false"),
            Key.Ignored("shared_phm_rule", "true"),
        ],
        Implied = (c, isOpen) => c with
        {
            // Houlsby's kind, with one after attention, has no norm before it.
            NormBefore = isOpen(NormBefore) ? !c.AfterAttention : c.NormBefore,
            AdapterName = c.AdapterName ?? "default",
        },
        Create = (model, config, start) =>
            new BottleneckAdapter(model, config with { AdapterName = config.AdapterName ?? start.Name }, start),
    };

    /// <inheritdoc/>
    public override bool Recognises(StrictObject json) => json.Has("peft_type") ? base.Recognises(json)
        : json.Has("config") && json.Has("hidden_size");

    /// <inheritdoc/>
    public override AdapterConfig Read(StrictObject json)
    {
        var config = json.GetOptionalObject("config") ?? json;
        if (config.GetOptionalString(Architecture) is { } other)
            throw config.Error(Architecture, $"AdapterHub's '{other}' is not supported.",
                "Bottleneck adapters are; save other methods with PEFT.");
        foreach (var key in Keys) key.CheckOff(config, PeftType);
        IEnumerable<string> names = config == json ? json.Keys : json.Keys.Concat(config.Keys);
        return Read(new BottleneckConfig(), config, isFile: true) with
        {
            IgnoredKeys = Unknown(names, [.. Common, .. Around, Architecture]),
            AdapterName = json.GetOptionalString("name"),
            ModelName = json.GetOptionalString("model_name"),
            BaseModel = json.GetOptionalString("base_model_name_or_path"),
            TaskType = ModelTasks.FromClass(json.GetOptionalString("model_class") ?? "")?.PeftName(),
        };
    }

    /// <inheritdoc/>
    public override JsonObject Write(AdapterConfig config) => new()
    {
        ["config"] = Written((BottleneckConfig)config), ["name"] = ((BottleneckConfig)config).AdapterName,
    };
}
