using System.Text.RegularExpressions;
using PeftNative.Models;
using PeftNative.Models.Config;

namespace PeftNative.Peft.Matching;

/// <summary>
/// Decides which modules a method attaches to, by the rules of PEFT's tuners (reference: BaseTuner's module check in
/// PEFT 0.21).
/// </summary>
internal sealed record TargetMatcher
{
    /// <summary>The pattern of layers' names where layers_pattern gives none.</summary>
    internal const string AnyLayer = "[^.]*";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    /// <summary>What to attach to.</summary>
    public required TargetModules Targets { get; init; }

    /// <summary>exclude_modules: a list of ends of names, or a regular expression.</summary>
    public TargetModules? Exclude { get; init; }

    /// <summary>modules_to_save: nothing is attached inside them, nor to what they name.</summary>
    public IReadOnlyList<string> ModulesToSave { get; init; } = [];

    /// <summary>layers_to_transform: layer numbers; null for all.</summary>
    public IReadOnlyList<int>? Layers { get; init; }

    /// <summary>layers_pattern: what stands in front of the layer number; null for any name.</summary>
    public IReadOnlyList<string>? LayersPattern { get; init; }

    /// <summary>The modules that match, in the order of the model.</summary>
    /// <exception cref="UsageException">None matches, or a setting contradicts another.</exception>
    public IReadOnlyList<ModuleInfo> Match(TransformerModel model, Func<ModuleInfo, bool> isAttachable)
    {
        if (Targets.Pattern is not null && !Targets.IsAllLinear && (Layers is not null || LayersPattern is not null))
            throw new UsageException("layers_to_transform and layers_pattern need target_modules as a list.");
        if (LayersPattern is { Count: > 0 } && Layers is null)
            throw new UsageException("layers_pattern needs layers_to_transform.");
        var matched = model.Modules.Where(m => isAttachable(m) && Matches(model, m)).ToList();
        return matched.Count > 0 ? matched : throw NothingMatched(model, isAttachable);
    }

    /// <summary>Whether a name, or the end of a path, is that of a module.</summary>
    internal static bool IsNameOfAny(TransformerModel model, string name) => model.Modules.Any(m =>
        m.Path == name || m.Path.EndsWith($".{name}", StringComparison.Ordinal));

    /// <summary>Whether a pattern of rank_pattern or alpha_pattern names a module: it ends the name at a dot.</summary>
    public static bool PatternApplies(string pattern, string path) =>
        IsMatch($@"^(.*\.)?({pattern})\z", path, "pattern");

    /// <summary>Whether a regular expression, the value of a key, fits a whole name.</summary>
    public static bool IsWhole(string pattern, string path, string key) => IsMatch($@"\A(?:{pattern})\z", path, key);

    private bool Matches(TransformerModel model, ModuleInfo module)
    {
        if (Exclude is { } exclude && IsNamed(exclude, module.Path)) return false;
        if (ModulesToSave.Any(m => IsMatch($@"(^|.*\.){m}(\z|\..*)", module.Path, "modules_to_save"))) return false;
        var saved = SavedModule(module.Path, ModulesToSave);
        if (Targets.IsAllLinear) return module.Linear is { } linear && linear.Role != ModuleRole.Head && saved is null;
        if (!IsTarget(module.Path)) return false;
        if (saved is null) return true;
        // The reference can neither train nor load a module that is both.
        var name = ModulesToSave.First(n => saved.EndsWith(n, StringComparison.Ordinal));
        throw new UsageException(
            $"target_modules names {module.Path}, which modules_to_save trains whole: {saved} ends with '{name}'.",
            remedy: "Leave it out of target_modules, or exclude it.");
    }

    private bool IsTarget(string path) => Targets.Pattern is not null || Targets.Names!.Contains(path)
        ? IsNamed(Targets, path) : IsNamed(Targets, path) && IsInLayers(path);

    /// <summary>
    /// The module that modules_to_save trains whole and a module lies in or is: the outermost on its path that one of
    /// the names ends; no dot boundary is asked for, as in PEFT. Null where there is none.
    /// </summary>
    internal static string? SavedModule(string module, IReadOnlyList<string> names)
    {
        for (var end = module.IndexOf('.', StringComparison.Ordinal); ; end = module.IndexOf('.', end + 1))
        {
            var path = end < 0 ? module : module[..end];
            if (names.Any(n => path.EndsWith(n, StringComparison.Ordinal))) return path;
            if (end < 0) return null;
        }
    }

    private static bool IsNamed(TargetModules targets, string path) => targets.Pattern is { } pattern
        ? IsWhole(pattern, path, "target_modules")
        : targets.Names!.Any(n => path == n || path.EndsWith("." + n, StringComparison.Ordinal));

    private bool IsInLayers(string path)
    {
        if (Layers is null) return true;
        IEnumerable<string> names = LayersPattern is { Count: > 0 } ? LayersPattern : [AnyLayer];
        foreach (var name in names)
            if (LayerOf(path, name) is { } layer) return Layers.Contains(layer);
        return false;
    }

    /// <summary>The number behind a name of layers in the path of a module; null where it has none.</summary>
    internal static int? LayerOf(string path, string name)
    {
        var match = Regex.Match(path, $@"^.*?\.{name}\.(\d+)\.", RegexOptions.None, Patience);
        return match.Success && int.TryParse(match.Groups[1].ValueSpan, out var layer) ? layer : null;
    }

    private static bool IsMatch(string pattern, string text, string key)
    {
        try
        {
            return Regex.IsMatch(text, pattern, RegexOptions.CultureInvariant, Patience);
        }
        catch (RegexMatchTimeoutException)
        {
            throw new UsageException($"The regular expression in {key} takes too long.", pattern,
                "Write it without nested repetitions.");
        }
        catch (ArgumentException e)
        {
            throw new UsageException($"The regular expression in {key} cannot be read: {e.Message}", pattern);
        }
    }

    private UsageException NothingMatched(TransformerModel model, Func<ModuleInfo, bool> isAttachable)
    {
        var asked = Targets.Pattern ?? string.Join(",", Targets.Names!);
        if (ModulesToSave.Count > 0 && model.Modules.Any(m => isAttachable(m) && IsTarget(m.Path)))
            return new UsageException(
                $"target_modules '{asked}' names nothing but what modules_to_save trains whole, or what is excluded.",
                remedy: "Leave it out of modules_to_save, or name other modules.");
        var ends = model.Modules.Where(isAttachable).Select(m => m.Path[(m.Path.LastIndexOf('.') + 1)..]).Distinct()
            .OrderBy(n => Spelling.Distance(n, asked)).Take(10);
        return new UsageException($"target_modules '{asked}' matched no module of this {model.Config.ModelType} model.",
            remedy: $"Names it has: {string.Join(", ", ends)}.");
    }
}
