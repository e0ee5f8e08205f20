using PeftNative.Cli.Output;

namespace PeftNative.Cli.Options;

/// <summary>One word of the command: what it can be told, how help explains it, what it does.</summary>
internal abstract class Verb
{
    /// <summary>The word.</summary>
    public abstract string Name { get; }

    /// <summary>What it does, in one line.</summary>
    public abstract string Summary { get; }

    /// <summary>A whole call that can be copied; a backslash ends a line that goes on.</summary>
    public abstract string Example { get; }

    /// <summary>What should be known besides, a few lines; empty for nothing.</summary>
    public virtual string Notes => "";

    /// <summary>The one thing that stands without a flag, or null.</summary>
    public virtual Setting? Argument => null;

    /// <summary>What may stand behind it, or null.</summary>
    public virtual Setting? SecondArgument => null;

    /// <summary>The verb's own settings.</summary>
    public abstract IReadOnlyList<Setting> Settings { get; }

    /// <summary>Whether --config FILE is accepted.</summary>
    public virtual bool ReadsConfig => true;

    /// <summary>The verb's own settings and those every verb has.</summary>
    public IEnumerable<Setting> AllSettings =>
        [.. Settings, .. ReadsConfig ? [Shared.Config] : Array.Empty<Setting>(), Shared.Json, Shared.Quiet,
            Shared.Verbose, Shared.Help];

    /// <summary>Does it; returns the exit code.</summary>
    public abstract int Run(SettingValues values, Terminal terminal);
}
