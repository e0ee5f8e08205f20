using PeftNative.Formats.Json;
using PeftNative.Lab.Verification;
using PeftNative.Models.Families;
using PeftNative.Peft;

namespace PeftNative.Cli.Verify;

/// <summary>Tells a case that this version does not cover from one that it gets wrong.</summary>
internal static class CaseSupport
{
    private static readonly string[] Kinds = ["train", "adapterhub", "weighted", "mixed", "qlora", "files",
        "quantized-base"];

    /// <summary>Why the case cannot be run; null when it can.</summary>
    public static string? WhyNot(RecordedCase recorded)
    {
        if (!Kinds.Contains(recorded.Kind)) return $"cases of the kind {recorded.Kind} are not supported yet";
        var config = Path.Combine(recorded.Base, "config.json");
        if (!File.Exists(config)) return $"the base {recorded.Base} is absent";
        var family = StrictJson.ReadFile(config).GetString("model_type");
        if (!FamilyTable.ModelTypes.Contains(family)) return $"the model family {family} is not supported yet";
        // Reading a folder of a method that is not known is what such a case is about.
        if (recorded.Kind == "files") return null;
        var adapter = Path.Combine(recorded.Folder, "adapter", AdapterFolder.ConfigName);
        if (!File.Exists(adapter)) return null;
        var json = StrictJson.ReadFile(adapter);
        return Methods.OfFile(json) is not null ? null
            : $"the method {AdapterFolder.MethodOf(json) ?? "none"} is not supported yet";
    }
}
