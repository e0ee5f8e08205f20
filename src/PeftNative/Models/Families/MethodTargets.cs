namespace PeftNative.Models.Families;

/// <summary>
/// Which modules a method adapts where its settings name none, as in PEFT's own tables (utils/constants.py). A method
/// goes by its name, a second list of it by that and the setting's: ia3, ia3.feedforward_modules. Immutable.
/// </summary>
internal sealed class MethodTargets
{
    private readonly Dictionary<string, string[]> modules;

    private MethodTargets(Dictionary<string, string[]> modules) => this.modules = modules;

    /// <summary>No method has any.</summary>
    public static MethodTargets None { get; } = new([]);

    /// <summary>The modules of a method; empty where it has no default.</summary>
    public IReadOnlyList<string> Of(string method) => modules.GetValueOrDefault(method, []);

    /// <summary>The same with other modules for one method.</summary>
    public MethodTargets With(string method, params string[] names) =>
        new(new(modules) { [method] = [.. names] });
}
