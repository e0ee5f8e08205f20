namespace PeftNative.Cli.Options;

/// <summary>Settings that several verbs have.</summary>
internal static class Shared
{
    public static readonly Setting Help = new("help", SettingKind.Switch,
        "This text; with --verbose every setting.") { IsFlagOnly = true };

    public static readonly Setting Json = new("json", SettingKind.Switch,
        "Results as JSON, one object per line.") { IsFlagOnly = true };

    public static readonly Setting Verbose = new("verbose", SettingKind.Switch,
        "Say more; show where an internal error happened.")
    {
        IsFlagOnly = true,
    };

    public static readonly Setting Quiet = new("quiet", SettingKind.Switch, "No progress.") { IsFlagOnly = true };

    public static readonly Setting Config = new("config", SettingKind.Text,
        "YAML or JSON file with these settings; flags come first.")
    {
        ValueName = "FILE", IsFlagOnly = true,
    };

    public static readonly Setting Backend = new("backend", SettingKind.Text,
        "What computes: auto takes the fastest that works here.")
    {
        Default = "auto", Choices = ["auto", .. Options.Machine.BackendNames], ValueName = "NAME", Group = "Machine",
    };

    public static readonly Setting DType = new("dtype", SettingKind.Text, "Arithmetic of the backend.")
    {
        Default = "fp32", Choices = ["fp32", "bf16", "fp64"], Group = "Machine",
    };

    public static readonly Setting Threads = new("threads", SettingKind.Whole,
        "Threads of the CPU backend; results do not depend on it.")
    {
        Least = 1, Most = 1024, Group = "Machine",
    };

    public static readonly Setting Device = new("device", SettingKind.Whole,
        "Which device of the backend, counted from 0.")
    {
        Default = "0", Least = 0, Most = 255, Group = "Machine",
    };

    /// <summary>The settings of every verb that computes.</summary>
    public static readonly Setting[] Machine = [Backend, DType, Device, Threads];

    public static readonly Setting Model = new("model", SettingKind.Text,
        "Folder of a Hugging Face checkpoint, or a .gguf file.")
    {
        ValueName = "DIR", Aliases = ["model_name_or_path", "base_model", "checkpoint_dir"], Group = "What",
        IsRequired = true,
    };

    public static readonly Setting Seed = new("seed", SettingKind.Whole, "Seed of everything random.") { Default = "42",
        Least = 0 };
}
