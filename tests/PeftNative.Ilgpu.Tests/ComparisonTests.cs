using System.Reflection;
using System.Reflection.Emit;
using Xunit;

namespace PeftNative.Ilgpu.Tests;

/// <summary>
/// No kernel turns what is true into a floating-point number without a branch (<see cref="ForbiddenForms"/>).
/// </summary>
public sealed class ComparisonTests
{
    private const BindingFlags Declared = BindingFlags.DeclaredOnly | BindingFlags.Public | BindingFlags.NonPublic
        | BindingFlags.Static | BindingFlags.Instance;

    public static TheoryData<string> Forbidden => [.. Names(typeof(ForbiddenForms))];

    public static TheoryData<string> Allowed => [.. Names(typeof(AllowedForms))];

    [Fact]
    public void No_kernel_and_no_part_of_one_makes_a_number_of_a_comparison()
    {
        var methods = typeof(IlgpuBackend).Assembly.GetTypes().Where(t => t.Namespace == "PeftNative.Ilgpu.Kernels")
            .SelectMany(t => t.GetMethods(Declared).Concat<MethodBase>(t.GetConstructors(Declared))).ToList();
        Assert.True(methods.Count(m => IntermediateCode.Of(m).Count > 0) > 50, "the kernels are not where they were");
        Assert.Empty(methods.Where(MakesANumber).Select(m => $"{m.DeclaringType!.Name}.{m.Name}"));
    }

    [Theory]
    [MemberData(nameof(Forbidden))]
    public void A_form_that_goes_wrong_is_found(string name) =>
        Assert.True(MakesANumber(typeof(ForbiddenForms).GetMethod(name)!));

    [Theory]
    [MemberData(nameof(Allowed))]
    public void A_form_that_works_is_let_through(string name) =>
        Assert.False(MakesANumber(typeof(AllowedForms).GetMethod(name)!));

    private static bool MakesANumber(MethodBase method)
    {
        var code = IntermediateCode.Of(method);
        return Enumerable.Range(1, Math.Max(0, code.Count - 1))
            .Any(i => IsToReal(code[i].Code) && IsTruth(method, code, i - 1));
    }

    private static bool IsToReal(OpCode code) =>
        code == OpCodes.Conv_R4 || code == OpCodes.Conv_R8 || code == OpCodes.Conv_R_Un;

    // A conversion has one operand. What stands before it made that, or ends one of several ways to it: these end in a
    // constant 0 or 1, which the compiler would have folded into a real number if there were no other way.
    private static bool IsTruth(MethodBase method, IReadOnlyList<Instruction> code, int i)
    {
        var (op, operand) = (code[i].Code, (int)code[i].Operand);
        return op.Name switch
        {
            "ceq" or "cgt" or "cgt.un" or "clt" or "clt.un" or "ldc.i4.0" or "ldc.i4.1" => true,
            "and" or "or" or "xor" => i > 0 && IsTruth(method, code, i - 1),
            "call" or "callvirt" => (method.Module.ResolveMethod(operand) as MethodInfo)?.ReturnType == typeof(bool),
            "ldfld" or "ldsfld" => method.Module.ResolveField(operand)!.FieldType == typeof(bool),
            "ldloc.s" or "ldloc" => Local(method, operand),
            "ldarg.s" or "ldarg" => Argument(method, operand),
            ['l', 'd', 'l', 'o', 'c', '.', var digit] => Local(method, digit - '0'),
            ['l', 'd', 'a', 'r', 'g', '.', var digit] => Argument(method, digit - '0'),
            _ => false,
        };
    }

    private static bool Local(MethodBase method, int number) =>
        method.GetMethodBody()!.LocalVariables[number].LocalType == typeof(bool);

    private static bool Argument(MethodBase method, int number)
    {
        var parameter = number - (method.IsStatic ? 0 : 1); // the first argument of the others is "this"
        return parameter >= 0 && method.GetParameters()[parameter].ParameterType == typeof(bool);
    }

    private static IEnumerable<string> Names(Type type) =>
        type.GetMethods(BindingFlags.Public | BindingFlags.Static | BindingFlags.DeclaredOnly).Select(m => m.Name);
}
