import com.twilio.Twilio;
import com.twilio.http.HttpMethod;
import com.twilio.rest.api.v2010.account.call.UserDefinedMessage;
import com.twilio.rest.api.v2010.account.call.UserDefinedMessageSubscription;
import java.net.URI;
import org.json.JSONObject;

/**
 * What the feature's documentation shows for Java: one message to a call, then a subscription to its messages. Usage: java
 * Sample CALL_SID CALLBACK_URL
 */
public final class Sample {
    public static void main(String[] arguments) {
        String callSid = arguments[0];
        URI callback = URI.create(arguments[1]);
        Twilio.init(System.getenv("TWILIO_ACCOUNT_SID"), System.getenv("TWILIO_AUTH_TOKEN"));

        String content = new JSONObject().put("from", "a Java server").toString();
        UserDefinedMessage message = UserDefinedMessage.creator(callSid, content).create();
        System.out.println(message.getAccountSid());

        UserDefinedMessageSubscription subscription =
            UserDefinedMessageSubscription.creator(callSid, callback, HttpMethod.POST).create();
        System.out.println(subscription.getAccountSid());
    }
}
