using System.Text.RegularExpressions;
using PeftNative.Backends.Reference;
using PeftNative.Tensors;
using PeftNative.Verification;

var root = args[0];
var filter = new Regex(args[1]);
using var backend = ReferenceBackend.Create(args.Length > 2 && args[2] == "64" ? DType.Float64 : DType.Float32);
foreach (var folder in Directory.GetDirectories(Path.Combine(root, "cases")).Order(StringComparer.Ordinal))
{
    if (!filter.IsMatch(Path.GetFileName(folder))) continue;
    using var c = new RecordedCase(root, folder);
    var r = new CaseRunner(backend, c).Run();
    Console.WriteLine($"{(r.Passed ? "ok  " : "FAIL")} {r.Case,-30} logits {r.Logits:0.0e0} loss {r.Loss:0.0e0} grad {r.Gradient:0.0e0} steps {r.Steps:0.0e0} merged {r.Merged:0.0e0} gen {r.Generated} {r.Seconds:0.00}s {r.Failure}");
}
return 0;
