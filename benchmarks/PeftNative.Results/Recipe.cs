namespace PeftNative.Results;

/// <summary>A method as the reference's table has it.</summary>
/// <param name="Key">Its key in the reference's results.json.</param>
/// <param name="Name">Its name in the table.</param>
/// <param name="Rate">The learning rate that the reference's search chose.</param>
/// <param name="Arguments">What the command is told about the method.</param>
internal sealed record MethodRow(string Key, string Name, string Rate, params string[] Arguments);

/// <summary>A data set with a number of records.</summary>
/// <param name="Key">Its key in the reference's results.json.</param>
/// <param name="Name">Its name in the table.</param>
/// <param name="TrainFile">Training records, of which the first <paramref name="Records"/> are used.</param>
/// <param name="TestFile">Records to measure the accuracy on.</param>
/// <param name="Records">Number of training records.</param>
/// <param name="Epochs">Passes over them.</param>
internal sealed record DataColumn(string Key, string Name, string TrainFile, string TestFile, int Records, int Epochs);

/// <summary>
/// What is trained: batches of 32 texts of at most 64 tokens, AdamW with decay 0.01, 6 % warm-up, then linear decay.
/// </summary>
internal static class Recipe
{
    public static readonly MethodRow[] Methods =
    [
        new("full", "full fine-tuning", "2e-4", "--method", "full"),
        new("head", "head only", "1", "--method", "head"),
        new("lora-qv", "LoRA r8, query and value", "2e-3", "--method", "lora", "--r", "8", "--lora_alpha", "16",
            "--target_modules", "query,value"),
        new("lora-all", "LoRA r8, all linear", "1e-3", "--method", "lora", "--r", "8", "--lora_alpha", "16",
            "--target_modules", "query,key,value,intermediate.dense,output.dense"),
        new("houlsby", "bottleneck, Houlsby", "1e-3", "--method", "bottleneck", "--mh_adapter", "true",
            "--output_adapter", "true",
            "--reduction_factor", "16", "--non_linearity", "swish", "--original_ln_before", "false",
            "--residual_before_ln", "true"),
        new("pfeiffer", "bottleneck, Pfeiffer", "1e-3", "--method", "bottleneck", "--mh_adapter", "false",
            "--output_adapter", "true",
            "--reduction_factor", "16", "--non_linearity", "relu", "--original_ln_before", "true",
            "--residual_before_ln", "true"),
        new("ia3", "IA3", "0.03", "--method", "ia3"),
        new("prefix", "prefix tuning, 20", "0.03", "--method", "prefix", "--num_virtual_tokens", "20"),
        new("prompt", "prompt tuning, 20", "0.1", "--method", "prompt", "--num_virtual_tokens", "20"),
        new("ptuning", "P-tuning (MLP), 20", "0.01", "--method", "p_tuning", "--num_virtual_tokens", "20",
            "--encoder_reparameterization_type", "MLP", "--encoder_hidden_size", "384"),
    ];

    public static readonly DataColumn[] Columns =
    [
        new("sst2_2000", "SST-2, 2,000", "sst2-train.jsonl", "sst2-dev.jsonl", 2000, 4),
        new("sst2_100", "SST-2, 100", "sst2-train.jsonl", "sst2-dev.jsonl", 100, 20),
        new("agnews_2000", "AG News, 2,000", "agnews-train.jsonl", "agnews-test.jsonl", 2000, 4),
    ];

    /// <summary>The arguments of a run of the command.</summary>
    public static string[] Arguments(MethodRow method, DataColumn data, int seed, string real, string trainFile,
        string output) =>
    [
        "train", "--model", Path.Combine(real, "minilm"), "--data", trainFile, "--eval_data",
        Path.Combine(real, "data", data.TestFile),
        "--output", output, .. method.Arguments, "--learning_rate", method.Rate, "--epochs", $"{data.Epochs}",
        "--batch_size", "32",
        "--max_seq_length", "64", "--lr_scheduler", "linear", "--warmup_ratio", "0.06", "--weight_decay", "0.01",
        "--max_grad_norm", "1",
        "--group_by_length", "--eval_steps", "1000000", "--save_steps", "0", "--seed", $"{seed}", "--resume",
        "never", "--quiet",
    ];
}
