namespace PeftNative.Cli.Options;

/// <summary>The settings of the methods, each described once; several methods may share one.</summary>
internal static class MethodKeys
{
    private const string Group = "Method, spelled as in adapter_config.json";

    /// <summary>All of them, those of LoRA first.</summary>
    public static readonly Setting[] All =
    [
        Key("r", SettingKind.Whole, "LoRA: rank.") with { Aliases = ["lora_r", "lora_rank", "rank"], Least = 1,
            Most = 65536 },
        Key("lora_alpha", SettingKind.Number, "LoRA: the low-rank product is scaled by lora_alpha / r."),
        Key("lora_dropout", SettingKind.Number, "LoRA: dropout on the input of the low-rank pair.") with { Least = 0,
            Most = 0.999 },
        Key("target_modules", SettingKind.NamesOrPattern,
            "Modules to adapt: ends of names, a regular expression, or all-linear.")
            with { Aliases = ["lora_target", "lora_target_modules"] },
        Key("exclude_modules", SettingKind.NamesOrPattern, "Modules not to adapt."),
        Key("modules_to_save", SettingKind.Names, "Modules trained whole; a classifier's head is added by itself."),
        Key("bias", SettingKind.Text,
            "LoRA: which biases are trained.") with { Choices = ["none", "all", "lora_only"] },
        Key("lora_bias", SettingKind.Switch, "LoRA: the low-rank product has a bias of its own."),
        Key("use_dora", SettingKind.Switch, "LoRA: magnitude and direction apart."),
        Key("use_rslora", SettingKind.Switch, "LoRA: scale by lora_alpha / sqrt(r)."),
        Key("ensure_weight_tying", SettingKind.Switch,
            "LoRA: a trained embed_tokens and lm_head stay tied, where they are."),
        Key("trainable_token_indices", SettingKind.WholesOrMap,
            "LoRA: ids of tokens whose own embeddings are trained; a tied head follows."),
        Key("rank_pattern", SettingKind.Map,
            "LoRA: another r for modules that a pattern names.") with { ValueName = "JSON" },
        Key("alpha_pattern", SettingKind.Map, "LoRA: another lora_alpha for modules that a pattern names.")
            with { ValueName = "JSON" },
        Key("layers_to_transform", SettingKind.Wholes, "LoRA: only these layers, from 0."),
        Key("layers_pattern", SettingKind.Names, "LoRA: what stands before the layer number in names."),
        Key("init_lora_weights", SettingKind.SwitchOrText,
            "LoRA: true, gaussian, or false for both random.") with { ValueName = "true|false|gaussian" },
        Key("feedforward_modules", SettingKind.NamesOrPattern,
            "IA3: those of the target modules that are scaled at the input."),
        Key("init_ia3_weights", SettingKind.Switch, "IA3: start at one, so that nothing changes at first."),
        Key("mh_adapter", SettingKind.Switch, "Bottleneck: one after attention."),
        Key("output_adapter", SettingKind.Switch, "Bottleneck: one after the feed-forward block."),
        Key("reduction_factor", SettingKind.Number,
            "Bottleneck: the model's width divided by its own.") with { Least = 1e-3 },
        Key("non_linearity", SettingKind.Text, "Bottleneck: relu, gelu, swish, tanh, ...") with { ValueName = "NAME" },
        Key("original_ln_before", SettingKind.Switch, "Bottleneck: behind the model's own norm."),
        Key("residual_before_ln", SettingKind.Switch, "Bottleneck: add the output before that norm."),
        Key("is_parallel", SettingKind.Switch, "Bottleneck: beside the block instead of behind it."),
        Key("scaling", SettingKind.Text, "Bottleneck: factor of the output.") with { ValueName = "X|learned|channel" },
        Key("dropout", SettingKind.Number, "Bottleneck: dropout on the output.") with { Least = 0, Most = 0.999 },
        Key("leave_out", SettingKind.Wholes, "Bottleneck: layers without one."),
        Key("init_weights", SettingKind.Text,
            "Bottleneck: bert, mam_adapter or houlsby; prefix: zero.") with { ValueName = "NAME" },
        Key("num_virtual_tokens", SettingKind.Whole,
            "Prefix, prompt, p_tuning: virtual tokens; 20 if not given.") with { Least = 1, Most = 65536 },
        Key("prefix_projection", SettingKind.Switch, "Prefix: train through a small network."),
        Key("encoder_hidden_size", SettingKind.Whole, "Prefix, p_tuning: width of the small network.") with { Least = 1,
            Most = 1 << 20 },
        Key("encoder_reparameterization_type", SettingKind.Text,
            "P-tuning: the small network.") with { Choices = ["MLP", "LSTM"] },
        Key("encoder_num_layers", SettingKind.Whole, "P-tuning: layers of the LSTM.") with { Least = 1, Most = 64 },
        Key("encoder_dropout", SettingKind.Number, "P-tuning: dropout between the LSTM's layers.") with { Least = 0,
            Most = 0.999 },
        Key("prompt_tuning_init", SettingKind.Text,
            "Prompt: how it starts.") with { Choices = ["RANDOM", "SAMPLE_VOCAB", "TEXT"], ValueName = "NAME" },
        Key("prompt_tuning_init_text", SettingKind.Text, "Prompt: a text it starts from."),
        Key("num_layers", SettingKind.Whole, "top_layers: how many of the last layers.") with { Least = 1,
            Most = 10000 },
    ];

    private static Setting Key(string key, SettingKind kind, string help) => new(key, kind, help) { Group = Group };
}
