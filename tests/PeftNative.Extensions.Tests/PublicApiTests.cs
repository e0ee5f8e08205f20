using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using PeftNative.Cuda;
using PeftNative.Data;
using PeftNative.Extensions.AI;
using PeftNative.Extensions.Logging;
using PeftNative.Ilgpu;
using PeftNative.Columnar;
using PeftNative.Jinja;
using PeftNative.Lab.Comparison;
using PeftNative.Tokenizers;
using Xunit;

namespace PeftNative.Extensions.Tests;

/// <summary>
/// The public members of each library are those of its PublicApi.txt, so that none changes unnoticed. A change on
/// purpose is written down by running this test once with PEFTNATIVE_UPDATE_API=1.
/// </summary>
public partial class PublicApiTests
{
    private const BindingFlags Declared = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance
        | BindingFlags.Static | BindingFlags.DeclaredOnly;

    // What the compiler adds to every record.
    private static readonly string[] OfRecords = ["PrintMembers", "EqualityContract", "get_EqualityContract",
        "<Clone>$", "Equals", "GetHashCode", "ToString", "op_Equality", "op_Inequality", "Deconstruct"];

    public static TheoryData<string> Libraries =>
        ["PeftNative", "PeftNative.Lab", "PeftNative.Jinja", "PeftNative.Tokenizers", "PeftNative.Columnar",
            "PeftNative.Cuda", "PeftNative.Ilgpu", "PeftNative.Extensions.AI", "PeftNative.Extensions.Logging"];

    [Theory]
    [MemberData(nameof(Libraries))]
    public void Public_members_are_those_that_are_written_down(string library)
    {
        string[] actual = [.. TypesOf(library).SelectMany(Lines).Order(StringComparer.Ordinal)];
        var path = Path.Combine(Root(), "src", library, "PublicApi.txt");
        if (Environment.GetEnvironmentVariable("PEFTNATIVE_UPDATE_API") == "1")
            File.WriteAllText(path, string.Join('\n', actual) + "\n");
        var expected = File.ReadAllLines(path);
        var changes = actual.Except(expected).Select(l => "+ " + l)
            .Concat(expected.Except(actual).Select(l => "- " + l)).ToList();
        Assert.True(changes.Count == 0,
            $"{library}: on purpose? Then run this test once with "
                + $"PEFTNATIVE_UPDATE_API=1.\n{string.Join('\n', changes.Take(30))}");
    }

    /// <summary>
    /// Whoever has state says which threads may use it. Records, structs and enums are values, static classes have no
    /// state of their own or say so.
    /// </summary>
    [Theory]
    [MemberData(nameof(Libraries))]
    public void Documentation_says_which_threads_may_use_a_class(string library)
    {
        var members = XDocument.Load(Path.Combine(AppContext.BaseDirectory, library + ".xml")).Descendants("member")
            .ToDictionary(m => m.Attribute("name")!.Value, m => m.Value);
        var silent = TypesOf(library).Where(HasState).Select(t => "T:" + t.FullName!.Replace('+', '.'))
            .Where(name => !members.TryGetValue(name, out var text) || !Threads().IsMatch(text));
        Assert.Empty(silent);
    }

    private static Type[] TypesOf(string library)
    {
        Type[] known = [typeof(ITokenizer), typeof(MethodComparison), typeof(JinjaTemplate), typeof(HfTokenizer),
            typeof(ColumnarFormats), typeof(CudaBackend), typeof(IlgpuBackend), typeof(ModelChatClient),
            typeof(TrainingLogging)];
        return known.Select(t => t.Assembly).Single(a => a.GetName().Name == library).GetExportedTypes();
    }

    private static bool HasState(Type type) => !type.IsValueType && !(type.IsAbstract && type.IsSealed)
        && !type.IsSubclassOf(typeof(Exception))
        && type.GetMethod("<Clone>$") is null && !type.IsSubclassOf(typeof(Delegate));

    [GeneratedRegex("thread|immutable", RegexOptions.IgnoreCase)]
    private static partial Regex Threads();

    private static IEnumerable<string> Lines(Type type)
    {
        var kind = type.IsInterface ? "interface" : type.IsEnum ? "enum" : type.IsValueType ? "struct"
            : type.IsAbstract && type.IsSealed ? "static class" : type.IsAbstract ? "abstract class" : "class";
        yield return $"{Name(type)}: {kind}";
        foreach (var member in type.GetMembers(Declared).Where(m => IsVisible(m) && !OfRecords.Contains(m.Name)))
            if (Describe(member) is { } text) yield return $"{Name(type)}.{text}";
    }

    private static bool IsVisible(MemberInfo member) => member switch
    {
        MethodBase m => m.IsPublic || m.IsFamily || m.IsFamilyOrAssembly,
        FieldInfo f => f.IsPublic || f.IsFamily || f.IsFamilyOrAssembly,
        PropertyInfo p => p.GetAccessors(nonPublic: true).Any(IsVisible),
        _ => false,
    };

    private static string? Describe(MemberInfo member) => member switch
    {
        MethodInfo m => m.IsSpecialName ? null : $"{m.Name}({Parameters(m)}): {Name(m.ReturnType)}",
        ConstructorInfo c => $"new({Parameters(c)})",
        FieldInfo f => f.IsSpecialName ? null : $"{f.Name}: {Name(f.FieldType)}",
        PropertyInfo p =>
            $"{p.Name}: {Name(p.PropertyType)} "
            + $"{{{Accessor(p.GetMethod, "get")}{Accessor(p.SetMethod, IsInit(p) ? "init" : "set")} }}",
        _ => null,
    };

    private static string Accessor(MethodInfo? method, string word) => method is not null && IsVisible(method)
        ? $" {word};" : "";

    private static bool IsInit(PropertyInfo property) =>
        property.SetMethod?.ReturnParameter.GetRequiredCustomModifiers().Contains(typeof(IsExternalInit)) ?? false;

    private static string Parameters(MethodBase method) =>
        string.Join(", ", method.GetParameters()
            .Select(p =>
                $"{Name(p.ParameterType)} {p.Name}{(p.IsOptional ? " = " + (p.DefaultValue ?? "null") : "")}"));

    private static string Name(Type type) => type.IsByRef ? Name(type.GetElementType()!) + "&" : type.IsArray
        ? Name(type.GetElementType()!) + "[]"
        : type.IsGenericParameter ? type.Name
        : (type.DeclaringType is { } outer && !type.IsGenericType ? Name(outer) + "." + type.Name
            : type.Namespace?.StartsWith("PeftNative", StringComparison.Ordinal) == true
            ? type.Namespace + "." + Bare(type) : Bare(type));

    private static string Bare(Type type) => !type.IsGenericType ? type.Name
        : $"{type.Name.Split('`')[0]}<{string.Join(", ", type.GetGenericArguments().Select(Name))}>";

    private static string Root()
    {
        var folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "PeftNative.sln")))
            folder = Path.GetDirectoryName(folder)
                ?? throw new InvalidOperationException("the tests do not run inside the sources");
        return folder;
    }
}
